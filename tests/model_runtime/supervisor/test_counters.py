"""Totals that the status page and Prometheus show."""

from model_runtime.events import (
    ChatResult,
    EmbeddingResult,
    Finished,
    GeneratedImage,
    Result,
    SpeechResult,
    Timings,
    TranscriptionResult,
)
from model_runtime.history.events import HistoryEvent, LoadEnded, ModelUnloaded, RequestEnded
from model_runtime.requests import Task
from model_runtime.supervisor.counters import CounterRegistry


def finished(model: str, result: Result) -> Finished:
    return Finished(model, result, Timings(queued_seconds=1.0, loading_seconds=2.0, running_seconds=4.0))


def ended(model: str, code: str) -> RequestEnded:
    return RequestEnded(100.0, model, "claude", Task.VISION, code, 1.0, 2.0, 4.0)


def test_what_is_counted_is_recorded_in_the_history_with_its_time() -> None:
    recorded: list[HistoryEvent] = []
    counters = CounterRegistry(recorded.append, lambda: 50.0)

    counters.count_load("eyes", 3.0)
    counters.count_failed_load("ears")
    counters.count_unload("eyes", "evicted for ears")
    counters.count_request(ended("eyes", "ok"))

    assert recorded == [
        LoadEnded(50.0, "eyes", 3.0),
        LoadEnded(50.0, "ears", 0.0, "failed"),
        ModelUnloaded(50.0, "eyes", "evicted for ears"),
        ended("eyes", "ok"),
    ]


def test_output_is_counted_in_the_unit_of_its_task() -> None:
    counters = CounterRegistry()
    counters.count_result(finished("eyes", ChatResult("a", "stop", 30, 12)))
    counters.count_result(finished("eyes", ChatResult("b", "stop", 3, 1)))
    counters.count_result(finished("brush", GeneratedImage(b"", 8, 8, 1, 4)))
    counters.count_result(finished("index", EmbeddingResult(b"", 4, 7)))
    counters.count_result(finished("ears", TranscriptionResult("a", "en", 2.5, ())))
    counters.count_result(finished("voice", SpeechResult(1.5, 24_000, "alma", "en")))

    totals = counters.snapshot()

    assert totals.tokens == {("eyes", "prompt"): 33, ("eyes", "completion"): 13, ("index", "prompt"): 7}
    assert totals.images == {"brush": 1}
    assert totals.audio_seconds == {("ears", "heard"): 2.5, ("voice", "spoken"): 1.5}
    assert totals.request_seconds == {"eyes": 8.0, "brush": 4.0, "ears": 4.0, "voice": 4.0, "index": 4.0}
    assert totals.queue_seconds["eyes"] == 2.0


def test_loads_unloads_and_answers_are_counted_by_outcome() -> None:
    counters = CounterRegistry()
    counters.count_load("eyes", 3.0)
    counters.count_load("eyes", 2.0)
    counters.count_failed_load("ears")
    counters.count_unload("eyes", "evicted for ears")
    counters.count_unload("eyes", "evicted for voice")
    counters.count_unload("eyes", "idle")
    counters.count_request(ended("eyes", "ok"))
    counters.count_request(ended("eyes", "queue_full"))

    totals = counters.snapshot()

    assert counters.last_load_seconds == {"eyes": 2.0}
    assert totals.loads == {("eyes", "ok"): 2, ("ears", "failed"): 1}
    assert totals.load_seconds == {"eyes": 5.0}
    assert totals.unloads == {("eyes", "evicted"): 2, ("eyes", "idle"): 1}
    assert totals.requests == {("eyes", Task.VISION, "ok"): 1, ("eyes", Task.VISION, "queue_full"): 1}


def test_a_snapshot_does_not_change_later() -> None:
    counters = CounterRegistry()
    before = counters.snapshot()
    counters.count_load("eyes", 1.0)

    assert before.loads == {}
