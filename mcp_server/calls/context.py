"""What all tools share: the runtime, the files, the jobs, and how they answer."""

import functools
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ParamSpec
from urllib.parse import quote

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BeforeValidator, Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.downloads import Downloader, download
from mcp_server.calls.jobs import Jobs, Work, attend, deadline_seconds
from mcp_server.calls.player import Player
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Link, answer
from mcp_server.files.access import PICTURE_BYTES, SOUND_BYTES, Files
from mcp_server.files.artifacts import Artifact, ArtifactStore, NotSaved
from mcp_server.files.client import Caller
from model_runtime.errors import Failed, InvalidInput, SensesError
from model_runtime.events import Event, Finished
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.formats.fetch import PUBLIC_WEB, Fetcher
from model_runtime.media.types import Picture, Sound
from model_runtime.requests import Request
from model_runtime.service import Service
from model_runtime.settings import Settings

ToolContext = Context[Caller, Any]
P = ParamSpec("P")
Tool = Callable[P, Awaitable[CallToolResult]]

KeepAlive = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
    Field(description='How long the model stays: "10m", seconds, 0, -1 for good'),
]

STARTER_NOTE = (
    "A built-in starter model answered: it knows only a toy world of coloured shapes, numbers and everyday commands. "
    "`senses models` lists real models and `senses pull NAME` downloads one."
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a tool needs; `address` is where artifacts are served over HTTP, empty for nowhere."""

    service: Service
    settings: Settings
    artifacts: ArtifactStore
    jobs: Jobs
    player: Player
    address: str = ""
    fetcher: Fetcher = PUBLIC_WEB
    download: Downloader = download

    def files(self, ctx: ToolContext) -> Files:
        """Return what the caller may read and write."""
        return Files(ctx.request_context.lifespan_context, self.settings, self.artifacts, self.fetcher)

    async def work(self, ctx: ToolContext, tool: str, wait_seconds: int, work: Work) -> CallToolResult:
        """Do a tool's work as a job and answer with its result, or with its id once the client will not wait longer."""
        client = sdk_compat.client_name(ctx)
        job = self.jobs.start(tool, client, work)

        async def tell(fraction: float, message: str) -> None:
            await ctx.report_progress(fraction, 1.0, message)

        if await attend(job, deadline_seconds(client, wait_seconds), tell):
            self.jobs.delivered(job)
            return job.outcome()
        return answer(job.running_yet())

    async def run(
        self,
        request: Request,
        meter: Meter,
        client: str,
        on: Callable[[Event], None] | None = None,
        *,
        keep_alive_seconds: float | None = None,
    ) -> Finished:
        """Let the runtime serve a request, noting progress and passing every event to `on`; return the last one."""
        last: Event | None = None
        events = self.service.run(request, client=client, keep_alive_seconds=keep_alive_seconds)
        async with aclosing(events):
            async for last in events:
                meter.note(last)
                if on is not None:
                    on(last)
        if not isinstance(last, Finished):
            raise Failed(f"{request.model} ended without a result.")
        return last

    def url(self, artifact: Artifact) -> str | None:
        """Return where a browser finds the artifact."""
        return f"{self.address}/artifacts/{artifact.kind}/{quote(artifact.path.name)}" if self.address else None


def stay(keep_alive: str) -> float | None:
    """Read for how many seconds the caller wants the model to stay; None where it says nothing.

    Raises:
        InvalidInput: it means nothing.
    """
    try:
        return parse_keep_alive(keep_alive) if keep_alive else None
    except ValueError as error:
        raise InvalidInput(f"keep_alive is {keep_alive!r}: {error}.", param="keep_alive") from error


async def read_picture(files: Files, address: str, param: str) -> Picture:
    """Read and decode a picture; raises `InvalidInput`."""
    from model_runtime.media.pictures import decode_picture

    fetched = await files.fetch(address, param=param)

    def read() -> Picture:
        with _opened(files, address, fetched, param, PICTURE_BYTES) as file:
            return decode_picture(file.read(), param=param)

    return await anyio.to_thread.run_sync(read)


async def read_sound(files: Files, address: str, param: str) -> Sound:
    """Read and decode a recording; raises `InvalidInput`."""
    from model_runtime.media.audio import decode_sound

    fetched = await files.fetch(address, param=param)

    def read() -> Sound:
        with _opened(files, address, fetched, param, SOUND_BYTES) as file:
            return decode_sound(file, param=param)

    return await anyio.to_thread.run_sync(read)


def _opened(files: Files, address: str, fetched: bytes | None, param: str, limit_bytes: int) -> BinaryIO:
    return BytesIO(fetched) if fetched is not None else files.open(address, param=param, limit_bytes=limit_bytes)


def told(finished: Finished) -> dict[str, Any]:
    """Return the fields every result has about a request that succeeded."""
    warnings = [*finished.result.warnings, *([STARTER_NOTE] if finished.starter else [])]
    return {
        "model": finished.model,
        "starter": finished.starter,
        "seconds": round(finished.timings.running, 3),
        "load_seconds": round(finished.timings.loading, 3),
        "warnings": warnings,
    }


def link(artifact: Artifact) -> Link:
    """Return the artifact as a link for a result."""
    return Link(artifact.uri, artifact.path.name, artifact.mime_type, artifact.size_bytes)


def keep_copy(destination: Path | None, fallback: Path, files: Files, data: bytes) -> Path:
    """Write `data` where the caller wanted it and return the path to tell; `fallback` where it named none.

    Raises:
        NotSaved: it cannot be written there; the message tells that it is kept as `fallback`.
    """
    if destination is None:
        return fallback
    try:
        files.write(destination, data)
    except OSError as error:
        raise NotSaved(
            f"{destination} cannot be written: {error.strerror}. The result is kept as {fallback}."
        ) from error
    return destination


def tool(
    server: MCPServer[Caller],
    *,
    title: str,
    reads: bool = False,
    idempotent: bool = False,
    meta: dict[str, Any] | None = None,
) -> Callable[[Tool[P]], Tool[P]]:
    """Register a tool under its function's name and docstring; what fails as expected becomes a sentence."""
    annotations = ToolAnnotations(
        read_only_hint=reads, destructive_hint=False, idempotent_hint=idempotent or reads, open_world_hint=False
    )

    def register(function: Tool[P]) -> Tool[P]:
        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
            try:
                return await function(*args, **kwargs)
            except SensesError as error:
                raise ToolError(sentence(error)) from error

        description = " ".join((function.__doc__ or "").split())
        return server.tool(title=title, description=description, annotations=annotations, meta=meta)(run)

    return register


def sentence(error: SensesError) -> str:
    """Say what failed, with the code and, where trying again helps, when."""
    retry = f"; retry after {error.retry_after_seconds:.0f} s" if error.retry_after_seconds is not None else ""
    return f"{error.message} [code: {error.code}{retry}]"
