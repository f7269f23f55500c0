"""Decode one file in a process of its own, whose exit gives the memory back."""

from dataclasses import dataclass
from typing import Any, Literal

import anyio

from model_runtime.errors import Busy, SensesError, WorkerDied
from model_runtime.ipc.messages import DECODED_FD, SOURCE_FD
from model_runtime.media.types import WHOLE_RECORDING, Audio, ImageData, TimeRange
from model_runtime.process.process import WorkerProcess
from model_runtime.process.spawn import SpawnedProcess, spawn_module

TIMEOUT_SECONDS = 600.0
"""Four hours of sound are decoded in less than a minute."""

RETRY_AFTER_SECONDS = 5.0

Kind = Literal["image", "audio"]


class DecodingFailed(WorkerDied):
    """The decoder process ended without an outcome."""

    code = "decoding_failed"


async def decode_in_process(
    kind: Kind, param: str, source: int, output: int, part: TimeRange = WHOLE_RECORDING
) -> ImageData | Audio:
    """Decode the file of descriptor `source` into that of `output` and return the media without its bytes.

    `param` names the parameter in errors. Of a recording only `part` is decoded. A cancelled call, and one that takes too long, kills the process.

    Raises:
        Busy: no process can be started, or the memory is full.
        DecodingFailed: the process died or takes too long.
        InsufficientStorage: the decoded bytes do not fit on the disk.
        InvalidMedia: the file cannot be decoded.
    """
    outcome = _Outcome()

    def spawn(name: str) -> SpawnedProcess:
        bounds = [] if part == WHOLE_RECORDING else [str(part.start_seconds), str(part.end_seconds)]
        return spawn_module("model_runtime.decoding", [kind, param, *bounds], {SOURCE_FD: source, DECODED_FD: output})

    try:
        process = WorkerProcess(f"{kind} decoder", 1, outcome, spawn=spawn)
    except OSError as error:
        reason = f"The {kind} cannot be decoded: no process starts ({error.strerror})."
        raise Busy(f"{reason} Try again in {RETRY_AFTER_SECONDS:.0f} s.", RETRY_AFTER_SECONDS) from error
    try:
        with anyio.move_on_after(TIMEOUT_SECONDS):
            await process.exited.wait()
    finally:
        if not process.exited.is_set():
            process.kill(f"it took longer than {TIMEOUT_SECONDS:.0f} s or was cancelled")
            with anyio.CancelScope(shield=True):
                await process.exited.wait()
    if isinstance(outcome.message, SensesError):
        raise outcome.message
    if not isinstance(outcome.message, ImageData | Audio):
        raise DecodingFailed(
            f"The {kind} cannot be decoded: {outcome.cause}. Send a smaller file, or convert it to another format."
        )
    return outcome.message


@dataclass(slots=True)
class _Outcome:
    """Keeps what the process sent and why it ended."""

    message: Any = None
    cause: str = ""

    def on_message(self, process: WorkerProcess, message: Any) -> None:
        self.message = message

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        self.cause = cause

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        self.cause = cause
