"""Ask MLX about this machine without importing it here: a process does, answers and leaves."""

import asyncio
import logging

import anyio

from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.ipc.messages import GpuProbed, ProbeGpu, WorkerMessage
from model_runtime.process.process import WorkerProcess

DEADLINE_SECONDS = 30.0

log = logging.getLogger(__name__)


class GpuProbe:
    """The `Owner` of the process that is asked."""

    def __init__(self) -> None:
        self.working_set_bytes = 0
        self.answered = asyncio.Event()

    def on_message(self, process: WorkerProcess, report: WorkerMessage) -> None:
        """Take the answer."""
        if isinstance(report, GpuProbed):
            self.working_set_bytes = report.working_set_bytes
            self.answered.set()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """It will not answer any more."""
        if not self.answered.is_set():
            log.warning("The memory of the GPU is not known: %s", cause)
        self.answered.set()

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """It is gone."""


async def working_set_bytes() -> int:
    """Return how much GPU memory the system recommends to use at most; 0 where there is no GPU or no answer."""
    return await query_gpu_working_set() if has_apple_gpu() else 0


async def query_gpu_working_set() -> int:
    """Ask a process; 0 where it knows of no GPU or does not answer."""
    answer = GpuProbe()
    try:
        process = WorkerProcess("probe", 0, answer)
    except OSError as error:
        log.warning("The memory of the GPU is not known: %s", error)
        return 0
    try:
        process.send(ProbeGpu())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await answer.answered.wait()
    except TimeoutError:
        log.warning("The memory of the GPU is not known: no answer within %.0f s", DEADLINE_SECONDS)
    finally:
        process.stop()
        with anyio.CancelScope(shield=True):  # nobody leaves before the process has
            await process.exited.wait()
    return answer.working_set_bytes
