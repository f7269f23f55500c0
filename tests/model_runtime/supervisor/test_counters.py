"""Totals that the page and Prometheus show."""

from model_runtime.events import Answer, Drawing, Finished, Result, Speech, Timings, Transcript
from model_runtime.requests import Task
from model_runtime.supervisor.counters import Tally


def finished(model: str, result: Result) -> Finished:
    return Finished(model, result, Timings(queued=1.0, loading=2.0, running=4.0))


def test_work_is_counted_in_the_unit_of_its_kind() -> None:
    tally = Tally()
    tally.finished(finished("eyes", Answer("a", "stop", 30, 12)))
    tally.finished(finished("eyes", Answer("b", "stop", 3, 1)))
    tally.finished(finished("brush", Drawing(b"", 8, 8, 1, 4)))
    tally.finished(finished("ears", Transcript("a", "en", 2.5, ())))
    tally.finished(finished("voice", Speech(1.5, 24_000, "alma", "en")))

    totals = tally.snapshot()

    assert totals.tokens == {("eyes", "prompt"): 33, ("eyes", "completion"): 13}
    assert totals.images == {"brush": 1}
    assert totals.audio_seconds == {("ears", "heard"): 2.5, ("voice", "spoken"): 1.5}
    assert totals.request_seconds == {"eyes": 8.0, "brush": 4.0, "ears": 4.0, "voice": 4.0}
    assert totals.queue_seconds["eyes"] == 2.0


def test_loads_unloads_and_answers_are_counted_by_how_they_went() -> None:
    tally = Tally()
    tally.loaded("eyes", 3.0)
    tally.loaded("eyes", 2.0)
    tally.load_failed("ears")
    tally.unloaded("eyes", "evicted for ears")
    tally.unloaded("eyes", "evicted for voice")
    tally.unloaded("eyes", "idle")
    tally.answered("eyes", Task.VISION, "ok")
    tally.answered("eyes", Task.VISION, "queue_full")

    totals = tally.snapshot()

    assert (tally.loads("eyes"), tally.loads("ears"), tally.requests("eyes")) == (2, 0, 2)
    assert tally.last_load_seconds == {"eyes": 2.0}
    assert totals.loads == {("eyes", "ok"): 2, ("ears", "failed"): 1}
    assert totals.load_seconds == {"eyes": 5.0}
    assert totals.unloads == {("eyes", "evicted"): 2, ("eyes", "idle"): 1}
    assert totals.requests == {("eyes", Task.VISION, "ok"): 1, ("eyes", Task.VISION, "queue_full"): 1}


def test_a_snapshot_does_not_change_later() -> None:
    tally = Tally()
    before = tally.snapshot()
    tally.loaded("eyes", 1.0)

    assert before.loads == {}
