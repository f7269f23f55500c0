"""Ask MLX about this machine without importing it here: a process does, answers and leaves."""

import asyncio
import logging

import anyio

from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.ipc.messages import Probe, Probed, Report
from model_runtime.process.process import WorkerProcess

DEADLINE_SECONDS = 30.0

log = logging.getLogger(__name__)


class Answer:
    """The `Owner` of the process that is asked."""

    def __init__(self) -> None:
        self.working_set_bytes = 0
        self.came = asyncio.Event()

    def reported(self, process: WorkerProcess, report: Report) -> None:
        """Take the answer."""
        if isinstance(report, Probed):
            self.working_set_bytes = report.working_set_bytes
            self.came.set()

    def lost(self, process: WorkerProcess, cause: str) -> None:
        """It will not answer any more."""
        if not self.came.is_set():
            log.warning("The memory of the GPU is not known: %s", cause)
        self.came.set()

    def reaped(self, process: WorkerProcess, cause: str) -> None:
        """It is gone."""


async def working_set_bytes() -> int:
    """Return how much GPU memory the system recommends to use at most; 0 where there is no GPU or no answer."""
    return await ask() if has_apple_gpu() else 0


async def ask() -> int:
    """Ask a process; 0 where it knows of no GPU or does not answer."""
    answer = Answer()
    try:
        process = WorkerProcess("probe", 0, answer)
    except OSError as error:
        log.warning("The memory of the GPU is not known: %s", error)
        return 0
    try:
        process.send(Probe())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await answer.came.wait()
    except TimeoutError:
        log.warning("The memory of the GPU is not known: no answer within %.0f s", DEADLINE_SECONDS)
    finally:
        process.stop()
        with anyio.CancelScope(shield=True):  # nobody leaves before the process has
            await process.exited.wait()
    return answer.working_set_bytes
