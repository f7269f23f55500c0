"""What all tools share: the runtime, files, jobs, and the parts of a result."""

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ParamSpec
from urllib.parse import quote

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BeforeValidator, Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.downloads import Downloader, download_in_subprocess
from mcp_server.calls.jobs import JobFunction, JobRegistry, ToolJob, call_timeout_seconds, wait_for_job
from mcp_server.calls.player import AudioPlayer
from mcp_server.calls.results import ResultLink, build_result
from mcp_server.files.access import MAX_AUDIO_BYTES, MAX_IMAGE_BYTES, ClientFiles
from mcp_server.files.artifacts import ArtifactNotSaved, ArtifactStore, StoredArtifact
from mcp_server.files.client import ClientConnection
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import InvalidInput, OperationFailed, SensesError
from model_runtime.events import Event, Finished
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Request
from model_runtime.service import Service
from model_runtime.settings import Settings

ToolContext = Context[ClientConnection, Any]
P = ParamSpec("P")
ToolFunction = Callable[P, Awaitable[CallToolResult]]

KeepAliveArgument = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
    Field(description='How long the model stays: "10m", seconds, 0, -1 for good'),
]

STARTER_NOTE = (
    "A built-in starter model answered: it knows only a toy world of coloured shapes, numbers and everyday commands. "
    "`senses models` lists real models and `senses pull NAME` downloads one."
)


@dataclass(frozen=True, slots=True)
class AppContext:
    """The services that tools use."""

    service: Service
    settings: Settings
    artifacts: ArtifactStore
    jobs: JobRegistry
    player: AudioPlayer
    http_origin: str = ""
    """The origin that serves the artifacts; empty: they are not served."""
    fetcher: Fetcher = DEFAULT_FETCHER
    download: Downloader = download_in_subprocess

    def files(self, ctx: ToolContext) -> ClientFiles:
        """Return the files that the calling client may read and write."""
        return ClientFiles(ctx.request_context.lifespan_context, self.settings, self.artifacts, self.fetcher)

    async def run_job(self, ctx: ToolContext, tool: str, wait_seconds: int, function: JobFunction) -> CallToolResult:
        """Run a tool's work as a job. Return its result or, after the call's timeout, the id of the running job.

        Raises:
            SensesError: the work fails.
        """
        client_name = sdk_compat.client_name(ctx)
        job = self.jobs.start(tool, client_name, function)

        async def report(fraction: float, message: str) -> None:
            await ctx.report_progress(fraction, 1.0, message)

        if await wait_for_job(job, call_timeout_seconds(client_name, wait_seconds), report):
            self.jobs.discard(job)
            return job.result_or_raise()
        return build_result(job.progress_result())

    async def run_request(
        self,
        request: Request,
        job: ToolJob,
        on_event: Callable[[Event], None] | None = None,
        *,
        keep_alive_seconds: float | None = None,
    ) -> Finished:
        """Run a request of a job, update the job's progress, and pass every event to `on_event`; return the last event.

        Raises:
            SensesError: the request fails.
        """
        last_event: Event | None = None
        events = self.service.run(
            request, client=job.client, keep_alive_seconds=keep_alive_seconds, request_id=job.next_request_id()
        )
        async with aclosing(events):
            async for last_event in events:
                job.progress.update(last_event)
                if on_event is not None:
                    on_event(last_event)
        if not isinstance(last_event, Finished):
            raise OperationFailed(f"{request.model} ended without a result.")
        return last_event

    def artifact_url(self, artifact: StoredArtifact) -> str | None:
        """Return the HTTP address of the artifact, or None if artifacts are not served."""
        return f"{self.http_origin}/artifacts/{artifact.kind}/{quote(artifact.path.name)}" if self.http_origin else None


def keep_alive_seconds_of(keep_alive: str) -> float | None:
    """Return the seconds for which the model stays in memory, or None if the argument is empty.

    Raises:
        InvalidInput: the argument is not a duration.
    """
    try:
        return parse_keep_alive(keep_alive) if keep_alive else None
    except ValueError as error:
        raise InvalidInput(f"keep_alive is {keep_alive!r}: {error}.", param="keep_alive") from error


async def read_image(decoder: MediaDecoder, files: ClientFiles, address: str, param: str) -> ImageData:
    """Read and decode an image.

    Raises:
        InvalidInput: the file cannot be read or decoded.
        OperationFailed: the image cannot be decoded on this machine now.
    """
    async with _open_input(files, address, param, MAX_IMAGE_BYTES) as file:
        return await decoder.decode_image(file, param=param)


async def read_audio(decoder: MediaDecoder, files: ClientFiles, address: str, param: str) -> Audio:
    """Read and decode a recording.

    Raises:
        InvalidInput: the file cannot be read or decoded.
        OperationFailed: the recording cannot be decoded on this machine now.
    """
    async with _open_input(files, address, param, MAX_AUDIO_BYTES) as file:
        return await decoder.decode_audio(file, param=param)


@asynccontextmanager
async def _open_input(
    files: ClientFiles, address: str, param: str, limit_bytes: int
) -> AsyncGenerator[bytes | BinaryIO]:
    fetched = await files.fetch(address, param=param)
    if fetched is not None:
        yield fetched
        return
    with await files.open(address, param=param, limit_bytes=limit_bytes) as file:
        yield file


def result_fields(finished: Finished) -> dict[str, Any]:
    """Return the fields that every result of a request has."""
    warnings = [*finished.result.warnings, *([STARTER_NOTE] if finished.starter else [])]
    return {
        "model": finished.model,
        "starter": finished.starter,
        "seconds": round(finished.timings.running_seconds, 3),
        "load_seconds": round(finished.timings.loading_seconds, 3),
        "warnings": warnings,
    }


def result_link(artifact: StoredArtifact) -> ResultLink:
    """Return the artifact as a link for a result."""
    return ResultLink(artifact.uri, artifact.path.name, artifact.mime_type, artifact.size_bytes)


async def save_copy(destination: Path | None, fallback: Path, files: ClientFiles, data: bytes) -> Path:
    """Write `data` to `destination` and return the path for the result; without a destination return `fallback`.

    Raises:
        ArtifactNotSaved: `data` cannot be written; the message says that `fallback` holds the result.
    """
    if destination is None:
        return fallback
    try:
        await files.write(destination, data)
    except OSError as error:
        raise ArtifactNotSaved(
            f"{destination} cannot be written: {files.explain(error)} The result is kept as {fallback}."
        ) from error
    return destination


def tool(
    server: MCPServer[ClientConnection],
    *,
    title: str,
    read_only: bool = False,
    idempotent: bool = False,
    meta: dict[str, Any] | None = None,
) -> Callable[[ToolFunction[P]], ToolFunction[P]]:
    """Register a tool under its function's name and docstring; a `SensesError` becomes a `ToolError`."""
    annotations = ToolAnnotations(
        read_only_hint=read_only, destructive_hint=False, idempotent_hint=idempotent or read_only, open_world_hint=False
    )

    def register(function: ToolFunction[P]) -> ToolFunction[P]:
        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
            try:
                return await function(*args, **kwargs)
            except SensesError as error:
                raise ToolError(error_text(error)) from error

        description = " ".join((function.__doc__ or "").split())
        return server.tool(title=title, description=description, annotations=annotations, meta=meta)(run)

    return register


def error_text(error: SensesError) -> str:
    """Return the message of an error with its code and, if a retry may help, the seconds to wait."""
    retry = f"; retry after {error.retry_after_seconds:.0f} s" if error.retry_after_seconds is not None else ""
    return f"{error.message} [code: {error.code}{retry}]"
