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
from openai_compat.http.sse import Piece, PieceResponse, event

SHOWN_ARTIFACTS = 24
SEARCHED_ARTIFACTS = 240
"""Transcripts are kept, too, and not shown."""
SHOWN_TYPES = ("image/png", "audio/wav")


SetUps = Callable[[], Sequence[tuple[str, str]]]
"""Clients by name, each with a command to type or JSON to paste."""


class Artifact(Protocol):
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


class Artifacts(Protocol):
    """Where results are kept."""

    def recent(self, count: int = 20) -> Sequence[Artifact]:
        """Return the newest, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class StatusEndpoint:
    """The endpoints; `artifacts` None shows no recent results."""

    service: Service
    artifacts: Artifacts | None = None
    clients: SetUps = list

    def routes(self) -> list[Route]:
        """Where they are served."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/api/status", self.show, methods=["GET"]),
            Route("/api/events", self.follow, methods=["GET"]),
            Route("/api/artifacts", self.list_artifacts, methods=["GET"]),
            Route("/api/clients", self.list_clients, methods=["GET"]),
            Route("/api/artifacts/{id}", self.serve_artifact, methods=["GET"]),
            Route("/api/models/{name:path}/start", self.start, methods=["POST"]),
            Route("/api/models/{name:path}/stop", self.stop, methods=["POST"]),
            Route("/api/models/{name:path}/pin", self.pin, methods=["POST"]),
            Route("/api/models/{name:path}/unpin", self.unpin, methods=["POST"]),
            Route("/api/jobs/{id:int}/cancel", self.cancel, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Say whether requests are accepted: 200 with a few facts, or 503."""
        status = self.service.status()
        if not status.accepting:
            raise ShuttingDown("Senses is shutting down.", retry_after_seconds=5)
        ready = [model.name for model in status.models if model.state is ModelState.READY]
        facts = {"version": status.version, "uptime_seconds": status.uptime_seconds, "ready_models": ready}
        return JSONResponse({"status": "healthy", **facts})

    async def show(self, request: Request) -> Response:
        """Show everything at this moment."""
        return JSONResponse(status_json(self.service.status()), headers={"cache-control": "no-store"})

    async def follow(self, request: Request) -> Response:
        """Stream a snapshot now, at every change and at least once a second."""
        return PieceResponse(snapshots(self.service.changes()))

    async def list_artifacts(self, request: Request) -> Response:
        """List recent pictures and recordings, newest first."""
        shown = [artifact_json(artifact) for artifact in await self._recent()]
        return JSONResponse({"artifacts": shown}, headers={"cache-control": "no-store"})

    async def list_clients(self, request: Request) -> Response:
        """List clients, each with what to type or paste to set it up."""
        return JSONResponse({"clients": [{"name": name, "text": text} for name, text in self.clients()]})

    async def serve_artifact(self, request: Request) -> Response:
        """Serve one of the listed files; nothing else of the disk can be reached from here."""
        wanted = request.path_params["id"]
        found = next((artifact for artifact in await self._recent() if artifact.id == wanted), None)
        if found is None:
            raise UnknownUrl("There is no such picture or recording among the recent ones.")
        return FileResponse(found.path, media_type=found.mime_type, headers={"cache-control": "private, max-age=86400"})

    async def start(self, request: Request) -> Response:
        """Load a model and wait until it is ready."""
        name = self._name(request)
        await self.service.load(name)
        return JSONResponse({"model": name})

    async def stop(self, request: Request) -> Response:
        """Unload a model once its running jobs have ended, and tell the bytes given back."""
        name = self._name(request)
        return JSONResponse({"model": name, "freed_bytes": await self.service.unload(name)})

    async def pin(self, request: Request) -> Response:
        """Keep a model in memory."""
        self.service.pin(self._name(request), pinned=True)
        return JSONResponse({"model": self._name(request), "pinned": True})

    async def unpin(self, request: Request) -> Response:
        """Let a model leave again."""
        self.service.pin(self._name(request), pinned=False)
        return JSONResponse({"model": self._name(request), "pinned": False})

    async def cancel(self, request: Request) -> Response:
        """End a waiting or running job."""
        job = request.path_params["id"]
        if not self.service.cancel(job):
            raise InvalidInput(f"There is no job {job} (any more).", param="id", code="not_found")
        return JSONResponse({"job": job})

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = [model.name for model in self.service.status().models]
        if name not in known:
            raise UnknownModel(name, known)
        return name

    async def _recent(self) -> list[Artifact]:
        if self.artifacts is None:
            return []
        recent = await to_thread.run_sync(self.artifacts.recent, SEARCHED_ARTIFACTS)
        return [artifact for artifact in recent if artifact.mime_type in SHOWN_TYPES][:SHOWN_ARTIFACTS]


async def snapshots(changes: AsyncIterator[Status]) -> AsyncGenerator[Piece]:
    """Write snapshots as they come; the last is the one that says that the runtime is leaving."""
    try:
        async for status in changes:
            yield event(status_json(status), "status")
            if not status.accepting:
                return
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    """Describe a kept result."""
    return {
        "id": artifact.id,
        "url": f"api/artifacts/{artifact.id}",
        "type": artifact.mime_type,
        "created": artifact.created,
        "size_bytes": artifact.size_bytes,
    }
