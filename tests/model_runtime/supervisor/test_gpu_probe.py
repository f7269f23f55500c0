"""The budget's question about the GPU, answered by a fake worker."""

import signal

import anyio
import pytest

from model_runtime.ipc.messages import GpuProbed, Hello, ProbeGpu
from model_runtime.supervisor import gpu_probe
from tests.model_runtime.fake_workers import FakeWorkers


class Answer:
    """The question, asked in the background."""

    def __init__(self) -> None:
        self.working_set_bytes: int | None = -1

    async def ask(self) -> None:
        """Ask."""
        self.working_set_bytes = await gpu_probe.query_gpu_working_set()


async def test_a_worker_is_asked_and_stopped(workers: FakeWorkers) -> None:
    answer = Answer()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(answer.ask)
            probe = await workers.started()
            await probe.receive(ProbeGpu)
            probe.send(Hello(probe.pid))
            probe.send(GpuProbed(17))

    assert (answer.working_set_bytes, probe.name, probe.status) == (17, "probe", 0)


async def test_a_probe_that_dies_leaves_the_answer_open(workers: FakeWorkers, caplog: pytest.LogCaptureFixture) -> None:
    answer = Answer()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(answer.ask)
            probe = await workers.started()
            await probe.receive(ProbeGpu)
            probe.exit(signal_number=signal.SIGABRT)

    assert answer.working_set_bytes is None
    assert "The GPU's memory is unknown: the worker was killed by SIGABRT" in caplog.text


async def test_a_probe_that_does_not_answer_is_stopped(
    workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gpu_probe, "DEADLINE_SECONDS", 0.01)

    assert await gpu_probe.query_gpu_working_set() is None
    assert "no answer within" in caplog.text
    assert workers.all[0].status == 0


async def test_without_a_process_the_answer_is_open(workers: FakeWorkers) -> None:
    workers.spawn_error = OSError("no more processes")

    assert await gpu_probe.query_gpu_working_set() is None


@pytest.mark.parametrize(("has_gpu", "expected_bytes"), [(True, 17), (False, 0)])
async def test_only_a_machine_with_an_apple_gpu_is_asked(
    monkeypatch: pytest.MonkeyPatch, has_gpu: bool, expected_bytes: int
) -> None:
    async def query() -> int:
        return 17

    monkeypatch.setattr(gpu_probe, "has_apple_gpu", lambda: has_gpu)
    monkeypatch.setattr(gpu_probe, "query_gpu_working_set", query)

    assert await gpu_probe.working_set_bytes() == expected_bytes
