"""Jobs whose engine allows it take turns: a short one gets in between two pieces of a long one, and none starves."""

from collections.abc import Iterator
from itertools import groupby

import pytest

from model_runtime.engines.protocol import CancelCheck, EngineOutput, LoadReporter
from model_runtime.errors import Cancelled, InvalidInput, JobFailed
from model_runtime.events import EngineEvent, Progress, Result, Segment, TranscriptionResult
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.types import Audio
from model_runtime.requests import Request, Transcribe
from model_runtime.worker.command_queue import CommandQueue
from model_runtime.worker.serial_engine import SerialEngine

LONG, SHORT, SECOND_SHORT = 1, 2, 3


class Windows:
    """An engine whose recordings have windows of a second, two segments in each; the prompt may name a fault."""

    def __init__(self, *, takes_turns: bool = True) -> None:
        self.takes_turns = takes_turns
        self.open_runs = 0
        self.pieces_before = 0
        """Pieces of work before the first window of a long recording."""

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load nothing."""
        return LoadedModel(0, 0, 0)

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Yield what a transcription yields."""
        assert isinstance(request, Transcribe)
        self.open_runs += 1
        try:
            seconds = request.audio.duration_seconds
            yield Progress("seconds", 0, seconds)
            for _ in range(self.pieces_before if seconds > 1 else 0):
                yield Progress("seconds", 0, seconds)
            for window in range(int(seconds)):
                check_cancelled()
                _fail(request.prompt if window == 1 else "")
                yield Segment(2 * window, window, window + 0.5, "a")
                yield Segment(2 * window + 1, window + 0.5, window + 1, "b")
                yield Progress("seconds", window + 1, seconds)
            yield TranscriptionResult("ab" * int(seconds), "en", seconds, ())
        finally:
            self.open_runs -= 1

    def idle(self) -> None:
        """Release nothing."""


def _fail(fault: str) -> None:
    if fault == "refuse":
        raise InvalidInput("no")
    if fault == "raise":
        raise RuntimeError("broken")


def recording(seconds: int, prompt: str = "") -> Transcribe:
    return Transcribe("m", Audio(16_000, bytes(32_000 * seconds)), prompt=prompt)


class Turns:
    """A serial engine, with the job and the output of every step."""

    def __init__(self, *, takes_turns: bool = True) -> None:
        self.engine, self.commands = Windows(takes_turns=takes_turns), CommandQueue()
        self.serial = SerialEngine(self.engine, self.commands.raise_if_cancelled)
        self.outputs: list[tuple[int, EngineOutput]] = []

    def step_until(self, job: int, windows: int) -> None:
        """Step until a job has so many windows."""
        while self.windows_of(job) < windows:
            self.outputs += self.serial.step()

    def step_to_end(self, *jobs: int) -> None:
        """Step until these jobs have ended."""
        while not all(self.outcome_of(job) for job in jobs):
            self.outputs += self.serial.step()

    def windows_of(self, job: int) -> int:
        return sum(isinstance(output, Progress) and output.done > 0 for id_, output in self.outputs if id_ == job)

    def outcome_of(self, job: int) -> EngineOutput | None:
        outcomes = (Cancelled, InvalidInput, JobFailed, TranscriptionResult)
        return next((output for id_, output in self.outputs if id_ == job and isinstance(output, outcomes)), None)

    @property
    def order(self) -> list[int]:
        """The jobs in the order of their turns."""
        return [job for job, _ in groupby(job for job, _ in self.outputs)]


@pytest.mark.promise("reliability:short-beside-long")
def test_a_short_recording_waits_for_one_window_of_a_long_one_and_then_ends_in_one_turn() -> None:
    turns = Turns()
    turns.serial.submit(LONG, recording(600))
    turns.step_until(LONG, 3)
    turns.outputs += turns.serial.step()  # in the middle of the fourth window

    turns.serial.submit(SHORT, recording(1))
    turns.step_to_end(SHORT)

    assert turns.windows_of(LONG) == 4
    assert turns.order == [LONG, SHORT]


@pytest.mark.promise("reliability:short-beside-long")
def test_a_short_recording_gets_in_while_a_long_one_is_looked_through() -> None:
    turns = Turns()
    turns.engine.pieces_before = 100
    turns.serial.submit(LONG, recording(600))
    turns.outputs += turns.serial.step() + turns.serial.step()

    turns.serial.submit(SHORT, recording(1))
    turns.step_to_end(SHORT)

    assert turns.windows_of(LONG) == 0
    assert turns.order == [LONG, SHORT]


@pytest.mark.promise("reliability:short-beside-long")
def test_a_long_recording_gets_a_window_after_each_short_one() -> None:
    turns = Turns()
    turns.serial.submit(LONG, recording(20))
    turns.serial.submit(SHORT, recording(1))

    for job in range(SHORT, SHORT + 10):
        turns.step_to_end(job)
        turns.serial.submit(job + 1, recording(1))

    assert turns.windows_of(LONG) >= 10


@pytest.mark.promise("reliability:short-beside-long")
def test_a_turn_is_at_least_a_window() -> None:
    turns = Turns()
    turns.serial.submit(LONG, recording(5))
    turns.serial.submit(SHORT, recording(5))

    turns.step_to_end(LONG, SHORT)

    assert turns.order == [LONG, SHORT] * 5


def test_every_job_ends_as_if_it_were_alone() -> None:
    alone = Turns()
    alone.serial.submit(LONG, recording(7))
    alone.step_to_end(LONG)
    turns = Turns()
    for job, seconds in ((LONG, 7), (SHORT, 1), (SECOND_SHORT, 3)):
        turns.serial.submit(job, recording(seconds))

    turns.step_to_end(LONG, SHORT, SECOND_SHORT)

    assert [output for job, output in turns.outputs if job == LONG] == [output for _, output in alone.outputs]
    assert turns.engine.open_runs == 0


@pytest.mark.promise("reliability:turns-apart")
@pytest.mark.parametrize(("fault", "outcome"), [("refuse", InvalidInput), ("raise", JobFailed)])
def test_the_failure_of_one_job_does_not_touch_the_other(fault: str, outcome: type[Exception]) -> None:
    turns = Turns()
    turns.serial.submit(LONG, recording(5))
    turns.serial.submit(SHORT, recording(5, fault))

    turns.step_to_end(LONG, SHORT)

    assert isinstance(turns.outcome_of(SHORT), outcome)
    assert turns.outcome_of(LONG) == TranscriptionResult("ab" * 5, "en", 5.0, ())


@pytest.mark.promise("reliability:turns-apart")
def test_the_end_of_a_job_between_its_turns_frees_it_and_does_not_touch_the_other() -> None:
    turns = Turns()
    turns.serial.submit(LONG, recording(5))
    turns.serial.submit(SHORT, recording(5))
    turns.step_until(SHORT, 2)

    turns.serial.cancel(SHORT)
    open_runs = turns.engine.open_runs
    turns.step_to_end(LONG)

    assert open_runs == 1
    assert turns.windows_of(SHORT) == 2
    assert turns.outcome_of(LONG) == TranscriptionResult("ab" * 5, "en", 5.0, ())


def test_an_engine_that_keeps_the_state_of_a_job_runs_one_after_another() -> None:
    turns = Turns(takes_turns=False)
    turns.serial.submit(LONG, recording(5))
    turns.serial.submit(SHORT, recording(1))

    turns.step_to_end(LONG, SHORT)

    assert turns.order == [LONG, SHORT]
    assert turns.windows_of(LONG) == 5
