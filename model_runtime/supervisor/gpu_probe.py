"""Ask MLX for the GPU's recommended memory in a short-lived worker: the daemon never imports MLX."""

import asyncio
import logging

import anyio

from model_runtime.background import Sleep
from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.ipc.messages import GpuProbed, ProbeGpu, WorkerMessage
from model_runtime.process.process import WorkerProcess

DEADLINE_SECONDS = 30.0
"""How long the worker may take to import MLX and answer."""

RETRY_SECONDS = (60.0, 3600.0)
"""The first and the longest pause before the GPU is asked again; each unanswered question doubles it."""

log = logging.getLogger(__name__)


class GpuProbe:
    """The `WorkerListener` of the probing process."""

    def __init__(self) -> None:
        self.working_set_bytes: int | None = None
        """None without an answer."""
        self.answered = asyncio.Event()

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Record the answer."""
        if isinstance(message, GpuProbed):
            self.working_set_bytes = message.working_set_bytes
            self.answered.set()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Stop waiting: no answer follows."""
        if not self.answered.is_set():
            log.warning("The GPU's memory is unknown: %s", cause)
        self.answered.set()

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Do nothing: `query_gpu_working_set` waits for the exit."""


async def working_set_bytes(*, sleep: Sleep = anyio.sleep) -> int:
    """Return the bytes of GPU memory that the system recommends to use at most; ask until it answers.

    0 without an Apple GPU. The first start after an installation can miss the deadline, and a loaded machine, too.
    """
    if not has_apple_gpu():
        return 0
    pause_seconds, longest_seconds = RETRY_SECONDS
    while (answer := await query_gpu_working_set()) is None:
        await sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, longest_seconds)
    return answer


async def query_gpu_working_set() -> int | None:
    """Start a worker, ask it and return the bytes; 0 if it finds no GPU, None if it does not answer."""
    probe = GpuProbe()
    try:
        process = WorkerProcess("probe", 0, probe)
    except OSError as error:
        log.warning("The GPU's memory is unknown: %s", error)
        return None
    try:
        process.send(ProbeGpu())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await probe.answered.wait()
    except TimeoutError:
        log.warning("The GPU's memory is unknown: no answer within %.0f s", DEADLINE_SECONDS)
    finally:
        process.stop()
        with anyio.CancelScope(shield=True):  # a cancelled caller waits, too, so that no process stays behind
            await process.exited.wait()
    return probe.working_set_bytes
