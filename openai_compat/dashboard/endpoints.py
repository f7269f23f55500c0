"""What runs and how it is: /health, /api/status, /api/events, and the buttons of the status page."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput, ShuttingDown, UnknownModel
from model_runtime.service import Service
from model_runtime.status import ModelState, Status
from openai_compat.dashboard.status_json import status_json
from openai_compat.http.errors import UnknownUrl
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, encode_event

MAX_LISTED_ARTIFACTS = 24
MAX_SCANNED_ARTIFACTS = 240
"""Transcripts are kept, too, and not shown."""
LISTED_TYPES = ("image/png", "audio/wav")


ClientSnippets = Callable[[], Sequence[tuple[str, str]]]
"""Clients by name, each with a command to type or JSON to paste."""


class ArtifactFile(Protocol):
    """A result that was kept: a picture or a recording in a file."""

    @property
    def id(self) -> str:
        """A name nobody can guess."""
        ...

    @property
    def path(self) -> Path:
        """Its file."""
        ...

    @property
    def mime_type(self) -> str:
        """What it is."""
        ...

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        ...

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        ...


class RecentArtifacts(Protocol):
    """Where results are kept."""

    def recent(self, count: int = 20) -> Sequence[ArtifactFile]:
        """Return the newest, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class StatusEndpoint:
    """The endpoints; `artifacts` None shows no recent results."""

    service: Service
    artifacts: RecentArtifacts | None = None
    client_snippets: ClientSnippets = list

    def routes(self) -> list[Route]:
        """Where they are served."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/api/status", self.get_status, methods=["GET"]),
            Route("/api/events", self.stream_status, methods=["GET"]),
            Route("/api/artifacts", self.list_artifacts, methods=["GET"]),
            Route("/api/clients", self.list_clients, methods=["GET"]),
            Route("/api/artifacts/{id}", self.serve_artifact, methods=["GET"]),
            Route("/api/models/{name:path}/start", self.load, methods=["POST"]),
            Route("/api/models/{name:path}/stop", self.unload, methods=["POST"]),
            Route("/api/models/{name:path}/pin", self.pin, methods=["POST"]),
            Route("/api/models/{name:path}/unpin", self.unpin, methods=["POST"]),
            Route("/api/jobs/{id:int}/cancel", self.cancel, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Say whether requests are accepted: 200 with a few facts, or 503."""
        status = self.service.status()
        if not status.accepting:
            raise ShuttingDown("Senses is shutting down.", retry_after_seconds=5)
        ready_models = [model.name for model in status.models if model.state is ModelState.READY]
        details = {"version": status.version, "uptime_seconds": status.uptime_seconds, "ready_models": ready_models}
        return JSONResponse({"status": "healthy", **details})

    async def get_status(self, request: Request) -> Response:
        """Show everything at this moment."""
        return JSONResponse(status_json(self.service.status()), headers={"cache-control": "no-store"})

    async def stream_status(self, request: Request) -> Response:
        """Stream a snapshot now, at every change and at least once a second."""
        return DeferredStreamingResponse(status_events(self.service.changes()))

    async def list_artifacts(self, request: Request) -> Response:
        """List recent pictures and recordings, newest first."""
        listed = [artifact_json(artifact) for artifact in await self._recent_artifacts()]
        return JSONResponse({"artifacts": listed}, headers={"cache-control": "no-store"})

    async def list_clients(self, request: Request) -> Response:
        """List clients, each with what to type or paste to set it up."""
        return JSONResponse({"clients": [{"name": name, "text": text} for name, text in self.client_snippets()]})

    async def serve_artifact(self, request: Request) -> Response:
        """Serve one of the listed files; nothing else of the disk can be reached from here."""
        artifact_id = request.path_params["id"]
        artifact = next((artifact for artifact in await self._recent_artifacts() if artifact.id == artifact_id), None)
        if artifact is None:
            raise UnknownUrl("There is no such picture or recording among the recent ones.")
        return FileResponse(
            artifact.path, media_type=artifact.mime_type, headers={"cache-control": "private, max-age=86400"}
        )

    async def load(self, request: Request) -> Response:
        """Load a model and wait until it is ready."""
        name = self._known_model_name(request)
        await self.service.load(name)
        return JSONResponse({"model": name})

    async def unload(self, request: Request) -> Response:
        """Unload a model once its running jobs have ended, and tell the bytes given back."""
        name = self._known_model_name(request)
        return JSONResponse({"model": name, "freed_bytes": await self.service.unload(name)})

    async def pin(self, request: Request) -> Response:
        """Keep a model in memory."""
        self.service.pin(self._known_model_name(request), pinned=True)
        return JSONResponse({"model": self._known_model_name(request), "pinned": True})

    async def unpin(self, request: Request) -> Response:
        """Let a model leave again."""
        self.service.pin(self._known_model_name(request), pinned=False)
        return JSONResponse({"model": self._known_model_name(request), "pinned": False})

    async def cancel(self, request: Request) -> Response:
        """End a waiting or running job."""
        job_id = request.path_params["id"]
        if not self.service.cancel(job_id):
            raise InvalidInput(f"There is no job {job_id} (any more).", param="id", code="not_found")
        return JSONResponse({"job": job_id})

    def _known_model_name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = [model.name for model in self.service.status().models]
        if name not in known:
            raise UnknownModel(name, known)
        return name

    async def _recent_artifacts(self) -> list[ArtifactFile]:
        if self.artifacts is None:
            return []
        recent = await to_thread.run_sync(self.artifacts.recent, MAX_SCANNED_ARTIFACTS)
        return [artifact for artifact in recent if artifact.mime_type in LISTED_TYPES][:MAX_LISTED_ARTIFACTS]


async def status_events(statuses: AsyncIterator[Status]) -> AsyncGenerator[Chunk]:
    """Write snapshots as they come; the last is the one that says that the runtime is leaving."""
    try:
        async for status in statuses:
            yield encode_event(status_json(status), "status")
            if not status.accepting:
                return
    finally:
        if isinstance(statuses, AsyncGenerator):
            await statuses.aclose()


def artifact_json(artifact: ArtifactFile) -> dict[str, Any]:
    """Describe a kept result."""
    return {
        "id": artifact.id,
        "url": f"api/artifacts/{artifact.id}",
        "type": artifact.mime_type,
        "created": artifact.created,
        "size_bytes": artifact.size_bytes,
    }
