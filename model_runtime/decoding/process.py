"""Decode, measure or compare files in a process of its own, whose exit gives the memory back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from model_runtime.errors import Busy, SensesError, WorkerDied
from model_runtime.ipc.messages import DECODED_FD, SOURCE_FD
from model_runtime.measuring.results import Comparison, Measurement
from model_runtime.media.types import Audio, ImageData
from model_runtime.process.process import WorkerProcess
from model_runtime.process.spawn import SpawnedProcess, spawn_module

TIMEOUT_SECONDS = 600.0
"""Four hours of sound are decoded in less than a minute."""

RETRY_AFTER_SECONDS = 5.0

MediaKind = Literal["image", "mask", "audio"]
Work = MediaKind | Literal["measurement", "comparison"]
"""What a decoder process does."""


class DecodingFailed(WorkerDied):
    """The decoder process ended without an outcome."""

    code = "decoding_failed"


async def decode_in_process(kind: MediaKind, param: str, source: int, output: int, *part: str) -> ImageData | Audio:
    """Decode the file of descriptor `source` into that of `output` and return the media without its bytes.

    `param` names the parameter in errors; `part` are the numbers of the part that is wanted, none means all. A cancelled
    call, and one that takes too long, kills the process.

    Raises:
        Busy: no process can be started, or the memory is full.
        DecodingFailed: the process died or takes too long.
        InsufficientStorage: the decoded bytes do not fit on the disk.
        InvalidMedia: the file cannot be decoded.
    """
    decoded = await run_decoder(
        kind, [param, *part], {SOURCE_FD: source, DECODED_FD: output}, failure=f"The {kind} cannot be decoded"
    )
    if not isinstance(decoded, ImageData | Audio):
        raise TypeError(decoded)
    return decoded


async def run_decoder(
    work: Work,
    arguments: Sequence[str],
    descriptors: Mapping[int, int],
    *,
    failure: str,
    timeout_seconds: float | None = None,
) -> object:
    """Let a decoder process do its work on open files and return the outcome.

    Errors begin with `failure`. A cancelled call, and one that takes too long, kills the process.

    Raises:
        Busy: no process can be started, or the memory is full.
        DecodingFailed: the process died or takes too long.
        SensesError: what the process refuses.
    """
    outcome, seconds = _Outcome(), TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds

    def spawn(name: str) -> SpawnedProcess:
        return spawn_module("model_runtime.decoding", [work, *arguments], descriptors)

    try:
        process = WorkerProcess(f"{work} decoder", 1, outcome, spawn=spawn)
    except OSError as error:
        reason = f"{failure}: no process starts ({error.strerror})."
        raise Busy(f"{reason} Try again in {RETRY_AFTER_SECONDS:.0f} s.", RETRY_AFTER_SECONDS) from error
    try:
        with anyio.move_on_after(seconds):
            await process.exited.wait()
    finally:
        if not process.exited.is_set():
            process.kill(f"it took longer than {seconds:.0f} s or was cancelled")
            with anyio.CancelScope(shield=True):
                await process.exited.wait()
    if isinstance(outcome.message, SensesError):
        raise outcome.message
    if not isinstance(outcome.message, ImageData | Audio | Measurement | Comparison):
        raise DecodingFailed(f"{failure}: {outcome.cause}. Send a smaller file, or convert it to another format.")
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
