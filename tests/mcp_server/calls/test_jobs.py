from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp_types import CallToolResult

from mcp_server.calls import jobs
from mcp_server.calls.job_store import JobStore
from mcp_server.calls.jobs import MAX_FINISHED_JOBS, JobRegistry, ToolJob, wait_for_job
from mcp_server.calls.progress import ProgressTracker
from mcp_server.calls.result_types import ToolResult
from mcp_server.calls.results import build_result
from mcp_server.files.answers import AnswerStore
from model_runtime.errors import Cancelled, InvalidInput, SensesError
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, text_of


async def silent(fraction: float, message: str) -> None:
    """Ignore the progress."""


@pytest.mark.promise("mcp:soft-deadline")
async def test_a_client_that_gives_up_early_gets_a_job_and_later_the_same_result(
    connect: Connect, era: ProtocolMode, service: FakeService
) -> None:
    service.gate = anyio.Event()

    async with connect(era) as client:
        running = data_of(await client.call_tool("speak", {"text": "x", "wait_seconds": 0}))
        still = data_of(await client.call_tool("get_job", {"job_id": running["job_id"], "wait_seconds": 0}))
        service.gate.set()
        done = await client.call_tool("get_job", {"job_id": running["job_id"]})
        again = await client.call_tool("get_job", {"job_id": running["job_id"]})

    assert running["status"] == still["status"] == "running"
    assert data_of(done)["status"] == "done"
    assert data_of(done)["path"] == data_of(again)["path"]
    assert [block.type for block in done.content] == ["text", "resource_link"]
    assert service.cancelled_requests == []


@pytest.mark.parametrize(
    ("client", "wait", "expected"),
    [("claude-code", -1, None), ("claude-ai", -1, 50.0), ("", -1, 50.0), ("cursor", 7, 7.0), ("claude-code", 0, 0.0)],
)
def test_who_waits_how_long(client: str, wait: int, expected: float | None) -> None:
    assert jobs.call_timeout_seconds(client, wait) == expected


@pytest.mark.promise("mcp:cancel")
async def test_a_cancelled_call_stops_the_work(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    service.gate = anyio.Event()

    async with connect(era) as client:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "generate_image", {"prompt": "x", "width": 64, "height": 64})
                while not service.requests:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            while not service.cancelled_requests:
                await anyio.lowlevel.checkpoint()

    assert service.cancelled_requests == service.requests


async def test_a_job_has_the_id_of_its_request(connect: Connect, service: FakeService) -> None:
    service.gate = anyio.Event()

    async with connect() as client:
        running = data_of(await client.call_tool("speak", {"text": "x", "wait_seconds": 0}))
        await client.call_tool("get_job", {"job_id": running["job_id"], "wait_seconds": 0})

    assert [running["job_id"]] == [str(request_id) for request_id in service.request_ids]


async def test_the_pictures_of_one_call_have_ids_of_their_own(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a star", "width": 64, "height": 64, "count": 3})

    first, *others = service.request_ids
    assert first is not None
    assert others == [None, None]


async def test_a_job_is_stopped_by_cancel_job(connect: Connect, service: FakeService) -> None:
    service.gate = anyio.Event()

    async with connect() as client:
        running = data_of(await client.call_tool("speak", {"text": "x", "wait_seconds": 0}))
        stopped = data_of(await client.call_tool("cancel_job", {"job_id": running["job_id"]}))
        asked = await client.call_tool("get_job", {"job_id": running["job_id"]})

    assert stopped["state"] == "cancelled"
    assert service.cancelled_requests == service.requests
    assert asked.is_error
    assert "[code: cancelled]" in text_of(asked)


async def test_a_request_of_the_runtime_is_cancelled_by_its_number(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        stopped = await client.call_tool("cancel_job", {"job_id": "1"})
        unknown = await client.call_tool("cancel_job", {"job_id": "2"})

    assert data_of(stopped)["state"] == "cancelled"
    assert service.cancelled_jobs == [1, 2]
    assert "[code: not_found]" in text_of(unknown)


async def test_an_unknown_job_is_told(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("get_job", {"job_id": "job-0"})

    assert "There is no job 'job-0'" in text_of(result)


@pytest.mark.promise("mcp:progress")
async def test_whoever_waits_hears_what_happens(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    service.gate = anyio.Event()
    reports: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))
        if message and message.startswith("step"):
            assert service.gate is not None
            service.gate.set()

    async with connect(era, name="claude-code") as client:
        with anyio.fail_after(20):
            result = await client.call_tool(
                "generate_image", {"prompt": "x", "width": 64, "height": 64}, progress_callback=on_progress
            )

    assert data_of(result)["status"] == "done"
    assert [message for _, _, message in reports][-1] == "step 0/4"
    assert [fraction for fraction, _, _ in reports] == sorted({fraction for fraction, _, _ in reports})


async def test_silence_is_broken_before_a_client_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MIN_REPORT_INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(jobs, "MAX_REPORT_INTERVAL_SECONDS", 0.002)
    gate = anyio.Event()
    reports: list[float] = []

    async def report(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == 5:
            gate.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            assert await wait_for_job(
                JobRegistry(tasks, count(1).__next__).start("speak", "test", gated(gate)), None, report
            )

    assert len(reports) >= 5
    assert reports == sorted(set(reports))


async def test_a_client_that_only_looks_does_not_end_the_job() -> None:
    async with anyio.create_task_group() as tasks:
        job = JobRegistry(tasks, count(1).__next__).start("speak", "test", gated(anyio.Event()))
        with anyio.move_on_after(0.01) as looking:
            await wait_for_job(job, None, silent, cancel_with_caller=False)

        assert looking.cancelled_caught
        assert job.state == "running"
        tasks.cancel_scope.cancel()


async def test_only_the_last_finished_jobs_are_remembered() -> None:
    async with anyio.create_task_group() as tasks:
        known = JobRegistry(tasks, count(1).__next__)
        first = await finished(known)
        for _ in range(MAX_FINISHED_JOBS - 1):
            await finished(known)
        last = await finished(known)

        assert known.get(str(last.id)) is last
        assert known.get(str(first.id)) is None
        with pytest.raises(InvalidInput, match="There is no job"):
            await known.find_result(str(first.id))


def over(folder: Path, tasks: TaskGroup, ids: Iterator[int]) -> JobRegistry:
    """Return the jobs of a daemon that starts over what earlier ones left."""
    answers = AnswerStore(folder)
    answers.open()
    return JobRegistry(tasks, ids.__next__, JobStore(answers))


@pytest.mark.promise("shim:jobs")
async def test_a_job_that_has_finished_is_there_after_the_daemon_was_killed(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        first = over(tmp_path, tasks, count(1))
        done = await finished(first, is_detached=True)
        failed = first.start("speak", "test", failing)
        await first.detach(failed)
        await failed.finished.wait()
        running = first.start("transcribe", "test", gated(anyio.Event()))
        await first.detach(running)
        second = over(tmp_path, tasks, count(1))
        found = await second.find_result(str(done.id))
        with pytest.raises(SensesError, match="no voice") as failure:
            await second.find_result(str(failed.id))
        with pytest.raises(SensesError, match="ran when Senses ended, so it has no result. Call transcribe again"):
            await second.find_result(str(running.id))
        newer = second.start("speak", "test", gated(anyio.Event()))
        tasks.cancel_scope.cancel()

    assert found == done.result
    assert failure.value.code == "invalid_value"
    assert newer.id > running.id, "an id of an earlier daemon names no job of this one"


async def failing(job: ToolJob) -> CallToolResult:
    raise InvalidInput("There is no voice.")


async def test_a_job_cancelled_before_it_began_says_so() -> None:
    async with anyio.create_task_group() as tasks:
        job = JobRegistry(tasks, count(1).__next__).start("speak", "test", gated(anyio.Event()))
        job.cancel_scope.cancel()
        await job.finished.wait()

    with pytest.raises(Cancelled):
        job.result_or_raise()


def gated(gate: anyio.Event) -> Any:
    async def work(meter: ProgressTracker) -> CallToolResult:
        await gate.wait()
        return build_result(ToolResult())

    return work


async def finished(known: JobRegistry, *, is_detached: bool = False) -> ToolJob:
    gate = anyio.Event()
    job = known.start("speak", "test", gated(gate))
    if is_detached:
        await known.detach(job)
    gate.set()
    await job.finished.wait()
    return job


def test_the_limits_of_jobs_are_these() -> None:
    assert (MAX_FINISHED_JOBS, jobs.DEFAULT_CALL_TIMEOUT_SECONDS) == (32, 50)
    assert (jobs.MIN_REPORT_INTERVAL_SECONDS, jobs.MAX_REPORT_INTERVAL_SECONDS) == (0.25, 5)
