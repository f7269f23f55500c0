"""Downloads that an agent asks for: `senses pull` in a process of its own, its progress read line by line.

A process, because the hub's library brings threads and tens of megabytes that the daemon should not keep, and because
ending it is the surest way to stop a download: files that are complete stay.
"""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from model_runtime.errors import OperationFailed

PULL_COMMAND = (sys.executable, "-P", "-m", "mcp_server.cli.main", "pull", "--json")
STOP_TIMEOUT_SECONDS = 3.0
MAX_ERROR_CHARS = 4000


class DownloadFailed(OperationFailed):
    """A model could not be downloaded; the message says why and what to do."""

    code = "pull_failed"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Bytes of a model that are on this disk, of all it needs."""

    done_bytes: int
    total_bytes: int


class Downloader(Protocol):
    """How models get onto this disk."""

    async def __call__(self, model: str, report: Callable[[PullProgress], None]) -> None:
        """Download a model; cancelling stops it, and what is complete stays. Raises `DownloadFailed`."""
        ...


async def download_in_subprocess(
    model: str, report: Callable[[PullProgress], None], *, command: tuple[str, ...] = PULL_COMMAND
) -> None:
    """Run `senses pull` and report how far it is; see `Downloader`."""
    stderr_chunks: list[str] = []
    async with await anyio.open_process([*command, model]) as process:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_collect_text, _require_pipe(process.stderr), stderr_chunks.append)
                async for line in _lines(_require_pipe(process.stdout)):
                    report(PullProgress(**json.loads(line)))
            status = await process.wait()
        finally:
            await _stop_process(process)
    if status:
        raise DownloadFailed(
            "".join(stderr_chunks).strip()[-MAX_ERROR_CHARS:] or f"The download ended with status {status}."
        )


def _require_pipe(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    if stream is None:
        raise TypeError("the process was started without pipes")
    return stream


async def _lines(stream: ByteReceiveStream) -> AsyncGenerator[str]:
    incomplete = ""
    async for text in TextReceiveStream(stream):
        *lines, incomplete = (incomplete + text).split("\n")
        for line in lines:
            yield line


async def _collect_text(stream: ByteReceiveStream, append: Callable[[str], None]) -> None:
    async for text in TextReceiveStream(stream, errors="replace"):
        append(text)


async def _stop_process(process: Process) -> None:
    """Stop the process if it still runs: kindly, so that it tidies up, then for certain."""
    if process.returncode is not None:
        return
    process.terminate()
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(STOP_TIMEOUT_SECONDS):
            await process.wait()
            return
        process.kill()
        await process.wait()
