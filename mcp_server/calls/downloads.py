"""Downloads that an agent requests: run `senses pull --json` as a process and read its progress.

It is a process because the hub's library would leave threads and tens of megabytes in the daemon, and because ending a
process stops a download reliably; complete files stay.
"""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from mcp_server.calls.jobs import ToolJob
from model_runtime.errors import OperationFailed

PULL_COMMAND = (sys.executable, "-P", "-m", "mcp_server.cli.main", "pull", "--json")
STOP_TIMEOUT_SECONDS = 3.0
MAX_ERROR_CHARS = 4000


class DownloadFailed(OperationFailed):
    """A model cannot be downloaded; the message says why and what to do."""

    code = "pull_failed"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """The bytes of a model that are on this disk, and their final number."""

    done_bytes: int
    total_bytes: int


class Downloader(Protocol):
    """Downloads models to this disk."""

    async def __call__(self, model: str, report: Callable[[PullProgress], None]) -> None:
        """Download a model and call `report(progress)`; cancellation stops the download, complete files stay.

        Raises:
            DownloadFailed: the model is unknown, or the download fails.
        """
        ...


async def download_for_job(download: Downloader, model: str, job: ToolJob) -> int:
    """Download a model within a job, with progress in gigabytes, and return the bytes that are on this disk then.

    Raises:
        DownloadFailed: the model is unknown, or the download fails.
    """
    job.progress.set_message(f"asking Hugging Face for the files of {model}")
    latest = PullProgress(0, 0)

    def report(downloaded: PullProgress) -> None:
        nonlocal latest
        latest = downloaded
        job.progress.set_fraction(downloaded.done_bytes / max(downloaded.total_bytes, 1))
        job.progress.set_message(
            f"downloading {model}: {downloaded.done_bytes / 1e9:.1f} of {downloaded.total_bytes / 1e9:.1f} GB"
        )

    await download(model, report)
    return latest.total_bytes


async def download_in_subprocess(
    model: str, report: Callable[[PullProgress], None], *, command: tuple[str, ...] = PULL_COMMAND
) -> None:
    """Run `senses pull`; see `Downloader`."""
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
    """Stop the process if it still runs: by SIGTERM, after a timeout by SIGKILL."""
    if process.returncode is not None:
        return
    process.terminate()
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(STOP_TIMEOUT_SECONDS):
            await process.wait()
            return
        process.kill()
        await process.wait()
