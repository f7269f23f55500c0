"""What all tools share: the runtime, files, jobs, and the parts of a result."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import anyio
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, ResourceLink
from pydantic import BeforeValidator, Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.copies import Copy
from mcp_server.calls.jobs import JobFunction, JobRegistry, ToolJob, call_timeout_seconds, wait_for_job
from mcp_server.calls.journal import CallJournal, call_key, current_call
from mcp_server.calls.model_downloads import ModelDownloads
from mcp_server.calls.player import AudioPlayer
from mcp_server.calls.progress import ProgressEvent
from mcp_server.calls.results import build_result
from mcp_server.calls.starter_notice import starter_notice
from mcp_server.calls.withdrawal import watched
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactStore, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.files.connected_clients import ConnectedClients
from mcp_server.files.folder_requests import FolderRequests
from model_runtime.errors import InvalidInput
from model_runtime.events import Event, Finished, ResultT, expect_result
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher
from model_runtime.requests import Request
from model_runtime.service import Service
from model_runtime.settings import Settings

ToolContext = Context[ClientConnection, Any]
AnyResult = TypeVar("AnyResult")

ModelArgument = Annotated[str, Field(description="auto, fast, best or a name from media_status")]
WaitArgument = Annotated[int, Field(ge=-1, le=3600, description="-1: as long as this client can")]
FromSeconds = Annotated[float, Field(ge=0)]
ToSeconds = Annotated[float, Field(ge=0, description="0: to the end")]
KeepAliveArgument = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
    Field(description='How long the model stays: "10m", seconds, 0, -1 for good'),
]


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
    download: ModelDownloads = field(default_factory=ModelDownloads)
    journal: CallJournal | None = None
    """None: no call is repeated."""
    folder_requests: FolderRequests = field(default_factory=FolderRequests)
    clients: ConnectedClients = field(default_factory=ConnectedClients)

    def files(self, ctx: ToolContext) -> ClientFiles:
        """Return the files that the calling client may read and write."""
        client, client_name = ctx.request_context.lifespan_context, sdk_compat.client_name(ctx)
        return ClientFiles(
            client,
            self.settings,
            self.artifacts,
            self.fetcher,
            client_name,
            on_use=partial(self.clients.note_file, client, client_name),
        )

    async def find_files(self, ctx: ToolContext, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> ClientFiles:
        """Return the files of the calling client, after a look for these addresses; see `ClientFiles.look_up`."""
        files = self.files(ctx)
        await files.look_up(reads, writes)
        return files

    def run_call(
        self, ctx: ToolContext, tool: str, work: Callable[[], Awaitable[AnyResult]]
    ) -> Awaitable[AnyResult | CallToolResult]:
        """Call a tool for a client, or return the recorded answer of a call that a shim repeats.

        Raises:
            SensesError: the call fails.
        """
        if self.journal is None or not ctx.request_context.lifespan_context.session:
            return work()
        return self._run_journaled(self.journal, ctx, tool, work)

    async def _run_journaled(
        self, journal: CallJournal, ctx: ToolContext, tool: str, work: Callable[[], Awaitable[AnyResult]]
    ) -> AnyResult | CallToolResult:
        client = ctx.request_context.lifespan_context
        is_repeated = ctx.request_id in client.repeated_ids
        call = await journal.begin(call_key(client.session, ctx.request_id, tool), is_repeated=is_repeated)
        if is_repeated and (recorded := await call.recorded(self.files(ctx))):
            return recorded
        token = current_call.set(call)
        try:
            return await call.run(work)
        finally:
            current_call.reset(token)

    async def run_job(
        self, ctx: ToolContext, tool: str, wait_seconds: int, function: JobFunction, files: ClientFiles | None = None
    ) -> CallToolResult:
        """Run a tool's work as a job. Return its result or, after the call's timeout, the id of the running job.

        The work ends when a person withdraws one of the `files` that it uses.

        Raises:
            SensesError: the work fails.
        """
        client_name = sdk_compat.client_name(ctx)
        work = watched(files, function) if files else function
        job = self.jobs.start(tool, client_name, current_call.get().as_job(work))
        try:
            result = await self.job_result(ctx, job, call_timeout_seconds(client_name, wait_seconds))
            if not job.finished.is_set():
                await self.jobs.detach(job)
            return result
        finally:
            if job.finished.is_set():
                self.jobs.discard(job)

    async def job_result(
        self, ctx: ToolContext, job: ToolJob, timeout_seconds: float | None, *, cancel_with_caller: bool = True
    ) -> CallToolResult:
        """Wait for a job, report its progress, and return its result, or after the timeout that it is still running.

        With `cancel_with_caller` the job is cancelled when the waiting call is.

        Raises:
            SensesError: the job failed or was cancelled.
        """

        async def report(fraction: float, message: str) -> None:
            await ctx.report_progress(fraction, 1.0, message)

        if await wait_for_job(job, timeout_seconds, report, cancel_with_caller=cancel_with_caller):
            return job.result_or_raise()
        return build_result(job.progress_result())

    async def run_request(
        self,
        request: Request,
        job: ToolJob,
        result_type: type[ResultT],
        on_event: Callable[[Event], None] | None = None,
        *,
        keep_alive_seconds: float | None = None,
    ) -> tuple[Finished, ResultT]:
        """Run a request of a job, update the job's progress, and pass every event to `on_event`.

        Return the last event and its result.

        Raises:
            SensesError: the request fails.
        """
        last_event: Event | None = None
        events = self.service.run(
            request, client=job.client, keep_alive_seconds=keep_alive_seconds, request_id=job.next_request_id()
        )
        async with aclosing(events):
            async for last_event in events:
                if isinstance(last_event, ProgressEvent):
                    job.progress.update(last_event)
                if on_event is not None:
                    on_event(last_event)
        return expect_result(last_event, result_type)

    def artifact_fields(self, artifact: StoredArtifact, path: Path) -> dict[str, Any]:
        """Return the fields of a saved result: path, URI, and the HTTP address if artifacts are served."""
        address = f"{self.http_origin}/artifacts/{artifact.kind}/{quote(artifact.path.name)}"
        return {"path": str(path), "uri": artifact.uri, "url": address if self.http_origin else None}


def keep_alive_seconds_of(keep_alive: str) -> float | None:
    """Return the seconds for which the model stays in memory, or None if the argument is empty.

    Raises:
        InvalidInput: the argument is not a duration.
    """
    try:
        return parse_keep_alive(keep_alive) if keep_alive else None
    except ValueError as error:
        raise InvalidInput(f"keep_alive is {keep_alive!r}: {error}.") from error


def result_fields(finished: Finished, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields that every result of a request has; `warnings` are added to those of the request."""
    return {
        "notice": starter_notice(finished.model) if finished.starter else None,
        "model": finished.model,
        "starter": finished.starter,
        "seconds": round(finished.timings.running_seconds, 3),
        "load_seconds": round(finished.timings.loading_seconds, 3),
        "warnings": [*finished.result.warnings, *warnings],
    }


def result_link(artifact: StoredArtifact) -> ResourceLink:
    """Return the artifact as a link for a result."""
    return ResourceLink(
        name=artifact.path.name, uri=artifact.uri, mime_type=artifact.mime_type, size=artifact.size_bytes
    )


async def save_result(
    files: ClientFiles, artifact: StoredArtifact, suffix: str, data: bytes, destination: Path | None
) -> Path:
    """Write a result to `destination`, or beside its original if it is in another format; return the path.

    `data` is the result in the format of `suffix`.

    Raises:
        ArtifactNotSaved: `data` cannot be written.
    """
    if destination is not None:
        return await save_copy(destination, artifact.path, files, data)
    if suffix == artifact.path.suffix:
        return artifact.path
    return await anyio.to_thread.run_sync(files.artifacts.add_sibling, artifact, suffix, data)


async def save_copy(destination: Path, fallback: Path, files: ClientFiles, data: bytes) -> Path:
    """Write `data` to `destination`, now or with the answer of the call, and return it.

    Raises:
        ArtifactNotSaved: `data` cannot be written; the message says that `fallback` holds the result.
    """
    await current_call.get().write(Copy(files, destination, data, fallback))
    return destination
