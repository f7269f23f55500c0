"""The job loop inside a worker: every job it takes in ends exactly once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import CancelCheck, EngineOutput, StepEngine
from model_runtime.engines.registry import ENGINE_CLASSES, create_engine
from model_runtime.errors import Cancelled, InvalidInput, JobFailed, LoadFailed, OutOfMemory, SensesError
from model_runtime.events import ChatResult, TextDelta
from model_runtime.ipc.codec import encode
from model_runtime.ipc.messages import (
    Cancel,
    Command,
    RequestOutcome,
    RequestOutput,
    RunRequest,
    Shutdown,
    WorkerMessage,
)
from model_runtime.requests import Chat, Message, Request
from model_runtime.worker.command_queue import CommandQueue
from model_runtime.worker.heartbeat import HeartbeatSender
from model_runtime.worker.loop import WorkerLoop
from model_runtime.worker.serial_engine import SerialEngine
from tests.scripted_engine import METAL_OUT_OF_MEMORY, ScriptedEngine, ScriptedStepEngine


def chat(script: str) -> Chat:
    return Chat("m", (Message("user", (script,)),))


class Bench:
    """A job loop on the test's own thread, with everything it sent."""

    def __init__(self, *, in_steps: bool = False) -> None:
        self.commands = CommandQueue()
        self.heartbeat = HeartbeatSender()
        self.sent: list[WorkerMessage] = []
        self.synchronize: Callable[[], None] = lambda: None
        self.together: list[int] = []
        """How many messages each send had."""
        self.inner = ScriptedEngine()
        self.engine: StepEngine = SerialEngine(self.inner, self.commands.raise_if_cancelled)
        if in_steps:
            steps = ScriptedStepEngine()
            self.inner, self.engine = steps.engine, steps

    def work(self, *commands: Command) -> list[WorkerMessage]:
        """Run these commands until every job has ended."""
        for command in commands:
            self.commands.put(command)
        self.open_jobs = sum(isinstance(command, RunRequest) for command in commands)
        WorkerLoop(self.engine, self.commands, self.heartbeat, self.send, self.synchronize).run()
        return self.sent

    def send(self, *messages: WorkerMessage) -> None:
        """Keep them; once no job is left, tell the loop to leave."""
        encoded = [encode(message) for message in messages]
        self.together.append(len(encoded))
        self.sent += messages
        self.open_jobs -= sum(isinstance(message, RequestOutcome) for message in messages)
        if not self.open_jobs:
            self.commands.put(Shutdown())

    def text_of(self, job: int) -> str:
        """What was sent for a job."""
        return "".join(
            report.event.text
            for report in self.sent
            if isinstance(report, RequestOutput) and report.request_id == job and isinstance(report.event, TextDelta)
        )

    def outcome_of(self, job: int) -> object:
        """How a job ended, once."""
        (outcome,) = [
            report.outcome for report in self.sent if isinstance(report, RequestOutcome) and report.request_id == job
        ]
        return outcome


both = pytest.mark.parametrize("in_steps", [False, True])


@both
def test_jobs_are_worked_on_and_end_with_their_results(in_steps: bool) -> None:
    bench = Bench(in_steps=in_steps)

    bench.work(RunRequest(1, chat("say one two")), RunRequest(2, chat("say three")))

    assert bench.outcome_of(1) == ChatResult("one two", "stop", 0, 2)
    assert bench.outcome_of(2) == ChatResult("three", "stop", 0, 1)
    assert (bench.text_of(1), bench.text_of(2)) == ("one two", "three")


def test_a_stepping_engine_works_on_several_jobs_at_once() -> None:
    bench = Bench(in_steps=True)

    bench.work(RunRequest(1, chat("pieces 3")), RunRequest(2, chat("pieces 3")))

    assert [report.request_id for report in bench.sent if isinstance(report, RequestOutput)] == [1, 2] * 3


def test_what_one_step_brings_is_sent_in_one_go() -> None:
    bench = Bench(in_steps=True)

    bench.work(RunRequest(1, chat("pieces 3")), RunRequest(2, chat("pieces 3")))

    assert bench.together == [2, 2, 2, 2]


def test_a_result_that_cannot_be_sent_takes_no_other_with_it() -> None:
    class Odd(ScriptedStepEngine):
        def step(self) -> list[tuple[int, EngineOutput]]:
            return [(1, ChatResult(object(), "stop", 0, 1)), (2, ChatResult("well", "stop", 0, 1))]  # type: ignore[arg-type]

    bench = Bench()
    bench.engine = Odd()

    bench.work(RunRequest(1, chat("")), RunRequest(2, chat("")))

    assert isinstance(bench.outcome_of(1), JobFailed)
    assert bench.outcome_of(2) == ChatResult("well", "stop", 0, 1)


def test_an_engine_for_one_job_serves_in_order_of_arrival() -> None:
    bench = Bench()

    bench.work(RunRequest(1, chat("pieces 3")), RunRequest(2, chat("pieces 3")))

    assert [report.request_id for report in bench.sent if isinstance(report, RequestOutput)] == [1, 1, 1, 2, 2, 2]


def test_the_engine_gives_back_its_caches_once_no_job_is_left() -> None:
    bench = Bench()

    bench.work(RunRequest(1, chat("say a")), RunRequest(2, chat("say b")))

    assert bench.inner.idle_calls == 1


@both
def test_a_job_that_was_cancelled_while_it_waited_is_never_begun(in_steps: bool, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    bench = Bench(in_steps=in_steps)

    bench.work(RunRequest(1, chat("say a")), RunRequest(2, chat(f"touch {begun}")), Cancel(2))

    assert isinstance(bench.outcome_of(2), Cancelled)
    assert bench.text_of(1) == "a"
    assert not begun.exists()


def test_a_cancelled_job_ends_at_the_next_check_in_the_middle_of_a_piece(tmp_path: Path) -> None:
    bench = Bench()

    class Link(ScriptedEngine):
        def run(self, request: Request, check: CancelCheck) -> Iterator[Any]:
            bench.commands.put(Cancel(1))
            check()
            raise NotImplementedError
            yield

    bench.engine = SerialEngine(Link(), bench.commands.raise_if_cancelled)
    bench.work(RunRequest(1, chat("")))

    assert isinstance(bench.outcome_of(1), Cancelled)


def test_a_cancelled_generator_cleans_up() -> None:
    closed = []

    class Tidy(ScriptedEngine):
        def run(self, request: Request, check: CancelCheck) -> Iterator[Any]:
            try:
                while True:
                    yield TextDelta("x")
            finally:
                closed.append(request)

    turns = SerialEngine(Tidy(), lambda job: None)
    turns.submit(1, chat(""))
    turns.step()

    turns.cancel(1)

    assert closed == [chat("")]


@both
def test_an_error_for_one_job_leaves_the_others_alone(in_steps: bool) -> None:
    bench = Bench(in_steps=in_steps)

    bench.work(RunRequest(1, chat("refuse too long")), RunRequest(2, chat("say fine")))

    error = bench.outcome_of(1)
    assert isinstance(error, InvalidInput)
    assert error.message == "too long"
    assert bench.outcome_of(2) == ChatResult("fine", "stop", 0, 1)


def test_an_unexpected_exception_is_told_to_its_caller_and_work_goes_on() -> None:
    bench = Bench()

    bench.work(RunRequest(1, chat("say a; raise shapes do not match")), RunRequest(2, chat("say fine")))

    error = bench.outcome_of(1)
    assert isinstance(error, JobFailed)
    assert "RuntimeError: shapes do not match" in error.message
    assert bench.outcome_of(2) == ChatResult("fine", "stop", 0, 1)


@both
def test_an_engine_that_cannot_go_on_answers_every_job_before_it_leaves(in_steps: bool) -> None:
    """Out of memory, a lost GPU, or an exception while several jobs share a step."""
    bench = Bench(in_steps=in_steps)

    with pytest.raises(MemoryError):
        bench.work(RunRequest(1, chat("say a; exhaust")), RunRequest(2, chat("say b; wait /never")))

    assert isinstance(bench.outcome_of(1), OutOfMemory)
    assert isinstance(bench.outcome_of(2), OutOfMemory)


@both
def test_no_result_leaves_before_the_gpu_has_done_its_work(in_steps: bool) -> None:
    """MLX may report a failed command buffer after the evaluation has returned (mlx PR 4174)."""
    bench, count = Bench(in_steps=in_steps), 0

    def synchronize() -> None:
        nonlocal count
        count += 1
        raise RuntimeError(METAL_OUT_OF_MEMORY)

    bench.synchronize = synchronize
    with pytest.raises(RuntimeError, match="Insufficient Memory"):
        bench.work(RunRequest(1, chat("pieces 3")))

    outcome = bench.outcome_of(1)
    assert isinstance(outcome, OutOfMemory)
    assert outcome.message.startswith("The GPU ran out of memory: close other programs")
    assert (bench.text_of(1), count) == ("0 1 2 ", 1)


def test_a_job_without_a_result_is_an_error() -> None:
    bench = Bench()

    bench.work(RunRequest(1, chat("say a; nothing")))

    error = bench.outcome_of(1)
    assert isinstance(error, SensesError)
    assert "without a result" in error.message


def test_told_to_leave_the_loop_leaves_after_the_piece_it_works_on() -> None:
    bench = Bench()

    sent = bench.work(RunRequest(1, chat("pieces 1000")), Shutdown())

    assert sent == []


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (MemoryError(), True),
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory"), True),
        (RuntimeError("kIOGPUCommandBufferCallbackErrorSubmissionsIgnored"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_only_faults_that_a_process_cannot_survive_end_it(error: Exception, fatal: bool) -> None:
    assert is_fatal(error) is fatal


@pytest.mark.parametrize("name", ["mlx-vmm", "no.such.module:Engine", "tests.scripted_engine:NoSuchEngine"])
def test_an_engine_that_cannot_be_opened_is_named(name: str) -> None:
    with pytest.raises(LoadFailed, match=name):
        create_engine(name)


def test_an_engine_is_opened_by_module_and_class() -> None:
    assert isinstance(create_engine("tests.scripted_engine:ScriptedEngine"), ScriptedEngine)
    libraries = {"mlx-vlm", "mlx-lm", "mlx-whisper", "mlx-audio", "mflux", "rapidocr"}
    assert set(ENGINE_CLASSES) == libraries | {"mlx-vlm-embedding"}
