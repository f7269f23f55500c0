"""Health, status, recent results, and the commands of the status page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from model_runtime.errors import InvalidInput, ShuttingDown, UnknownModel
from model_runtime.service import Service
from model_runtime.status import ModelState
from openai_compat.dashboard.health import health_of
from openai_compat.dashboard.status_json import status_json
from openai_compat.http.errors import UnknownUrl

MAX_LISTED_ARTIFACTS = 24
MAX_SCANNED_ARTIFACTS = 240
"""More than are listed, because transcripts are stored too."""
LISTED_TYPES = ("image/png", "audio/wav")


ClientSnippets = Callable[[], Sequence[tuple[str, str]]]
"""Returns a client's name and its set-up text (a command to type or JSON to paste) for each client."""


class ArtifactFile(Protocol):
    """A stored result: an image, a recording or a transcript."""

    @property
    def id(self) -> str:
        """Unguessable id."""
        ...

    @property
    def path(self) -> Path:
        """Path of the file."""
        ...

    @property
    def mime_type(self) -> str:
        """MIME type."""
        ...

    @property
    def created(self) -> float:
        """Creation time, in seconds since the epoch."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of the file, in bytes."""
        ...


class RecentArtifacts(Protocol):
    """A store of results."""

    def recent(self, count: int = 20) -> Sequence[ArtifactFile]:
        """Return up to `count` results, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class StatusEndpoint:
    """Status, result and command endpoints. `artifacts=None` lists no results."""

    service: Service
    artifacts: RecentArtifacts | None = None
    client_snippets: ClientSnippets = list

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/api/status", self.get_status, methods=["GET"]),
            Route("/api/artifacts", self.list_artifacts, methods=["GET"]),
            Route("/api/clients", self.list_clients, methods=["GET"]),
            Route("/api/artifacts/{id}", self.serve_artifact, methods=["GET"]),
            Route("/api/models/{name:path}/start", self.load, methods=["POST"]),
            Route("/api/models/{name:path}/stop", self.unload, methods=["POST"]),
            Route("/api/models/{name:path}/pin", partial(self.set_pinned, pinned=True), methods=["POST"]),
            Route("/api/models/{name:path}/unpin", partial(self.set_pinned, pinned=False), methods=["POST"]),
            Route("/api/jobs/{id:int}/cancel", self.cancel, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Return "ok" or "degraded" with the reasons, version, uptime and ready models.

        A degraded daemon answers 200 as well: other calls are served, and a restart would not help.

        Raises:
            ShuttingDown: requests are no longer accepted.
        """
        status = self.service.status()
        if not status.accepting:
            raise ShuttingDown("Senses is shutting down.", retry_after_seconds=5)
        ready_models = [model.name for model in status.models if model.state is ModelState.READY]
        health = health_of(status)
        return JSONResponse(
            {
                "status": health.state,
                "text": health.text,
                "reasons": [asdict(reason) for reason in health.reasons],
                "problems": [f"{one.model}: {one.cause}" if one.model else one.text for one in health.reasons],
                "version": status.version,
                "uptime_seconds": status.uptime_seconds,
                "ready_models": ready_models,
            }
        )

    async def get_status(self, request: Request) -> Response:
        """Return the current status."""
        return JSONResponse(status_json(self.service.status()), headers={"cache-control": "no-store"})

    async def list_artifacts(self, request: Request) -> Response:
        """List recent images and recordings, newest first."""
        listed = [artifact_json(artifact) for artifact in await self._recent_artifacts()]
        return JSONResponse({"artifacts": listed}, headers={"cache-control": "no-store"})

    async def list_clients(self, request: Request) -> Response:
        """List clients with their set-up texts."""
        return JSONResponse({"clients": [{"name": name, "text": text} for name, text in self.client_snippets()]})

    async def serve_artifact(self, request: Request) -> Response:
        """Return a listed file; other files cannot be reached.

        Raises:
            UnknownUrl: no listed result has this id.
        """
        artifact_id = request.path_params["id"]
        artifact = next((artifact for artifact in await self._recent_artifacts() if artifact.id == artifact_id), None)
        if artifact is None:
            raise UnknownUrl(f"Result {artifact_id} does not exist or is no longer among the recent results.")
        return FileResponse(
            artifact.path, media_type=artifact.mime_type, headers={"cache-control": "private, max-age=86400"}
        )

    async def load(self, request: Request) -> Response:
        """Load a model and wait until it is ready.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_model_name(request)
        await self.service.load(name)
        return JSONResponse({"model": name})

    async def unload(self, request: Request) -> Response:
        """Unload a model after its running requests have ended, and return the bytes freed.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_model_name(request)
        return JSONResponse({"model": name, "freed_bytes": await self.service.unload(name)})

    async def set_pinned(self, request: Request, *, pinned: bool) -> Response:
        """Pin a model: exempt it from idle timeout and eviction; or unpin it.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_model_name(request)
        self.service.pin(name, pinned=pinned)
        return JSONResponse({"model": name, "pinned": pinned})

    async def cancel(self, request: Request) -> Response:
        """Cancel a queued or running request.

        Raises:
            InvalidInput: the request does not exist or has ended.
        """
        job_id = request.path_params["id"]
        if not self.service.cancel(job_id):
            raise InvalidInput(f"Job {job_id} does not exist or has already ended.", param="id", code="not_found")
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


def artifact_json(artifact: ArtifactFile) -> dict[str, Any]:
    """Return the JSON of a result."""
    return {
        "id": artifact.id,
        "url": f"api/artifacts/{artifact.id}",
        "type": artifact.mime_type,
        "created": artifact.created,
        "size_bytes": artifact.size_bytes,
    }
