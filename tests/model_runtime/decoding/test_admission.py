"""Memory is given out in the order of arrival, and all of it comes back."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from model_runtime.decoding.admission import MemoryAdmission


class Work:
    """Blocks that hold memory until they are told to end."""

    def __init__(self, admission: MemoryAdmission) -> None:
        self.admission = admission
        self.admitted: list[str] = []
        self.ends: dict[str, anyio.Event] = {}

    async def hold(self, name: str, needed_bytes: int) -> None:
        """Hold memory until `end`."""
        self.ends[name] = anyio.Event()
        async with self.admission.admit(needed_bytes):
            self.admitted.append(name)
            await self.ends[name].wait()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await checkpoint()


@pytest.mark.promise("reliability:decoding-limit")
async def test_what_does_not_fit_waits_in_the_order_of_arrival() -> None:
    work = Work(MemoryAdmission(100))
    async with anyio.create_task_group() as tasks:
        for name, needed_bytes in (("first", 60), ("second", 50), ("small", 10)):
            tasks.start_soon(work.hold, name, needed_bytes)
            await settle()

        assert work.admitted == ["first"]
        work.ends["first"].set()
        await settle()
        assert work.admitted == ["first", "second", "small"]
        tasks.cancel_scope.cancel()


@pytest.mark.promise("reliability:decoding-limit")
async def test_what_exceeds_the_limit_runs_alone() -> None:
    work = Work(MemoryAdmission(100))
    async with anyio.create_task_group() as tasks:
        for name, needed_bytes in (("large", 1_000), ("small", 1)):
            tasks.start_soon(work.hold, name, needed_bytes)
            await settle()

        assert work.admitted == ["large"]
        tasks.cancel_scope.cancel()


@pytest.mark.promise("reliability:decoding-cancelled")
async def test_whoever_gives_up_lets_the_next_one_in_and_keeps_nothing() -> None:
    admission = MemoryAdmission(100)
    work = Work(admission)
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as impatient:
        for group, name, needed_bytes in ((tasks, "first", 60), (impatient, "large", 90), (tasks, "small", 40)):
            group.start_soon(work.hold, name, needed_bytes)
            await settle()
        assert work.admitted == ["first"]

        impatient.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await settle()
        assert work.admitted == ["first", "small"]
        tasks.cancel_scope.cancel()

    assert (admission.free_bytes, admission.waiting_count) == (100, 0)


async def test_a_failure_gives_the_memory_back() -> None:
    admission = MemoryAdmission(100)

    with pytest.raises(ValueError, match="broken"):
        async with admission.admit(70):
            raise ValueError("broken")

    assert admission.free_bytes == 100
