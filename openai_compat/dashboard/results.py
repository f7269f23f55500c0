"""Recent results: list, show and delete them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import OperationFailed
from openai_compat.dashboard.folders import NO_STORE
from openai_compat.http.errors import UnknownUrl

MAX_LISTED_ARTIFACTS = 24
MAX_SCANNED_ARTIFACTS = 240
"""More than are listed, because transcripts are stored too."""
LISTED_TYPES = ("image/png", "audio/wav")


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


class StoredArtifacts(Protocol):
    """A store of results. Every method may block on the disk."""

    def recent(self, count: int = 20) -> Sequence[ArtifactFile]:
        """Return up to `count` results, newest first."""
        ...

    def delete(self, artifact_id: str | None) -> int:
        """Delete one result in all its formats, with None every result, and return how many.

        Raises:
            OSError: a file cannot be deleted.
        """
        ...


@dataclass(frozen=True, slots=True)
class ResultsEndpoint:
    """The endpoint. `artifacts=None` lists no results."""

    artifacts: StoredArtifacts | None = None

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/artifacts", self.list_artifacts, methods=["GET"]),
            Route("/api/artifacts", self.delete, methods=["DELETE"]),
            Route("/api/artifacts/{id}", self.serve_artifact, methods=["GET"]),
            Route("/api/artifacts/{id}", self.delete, methods=["DELETE"]),
        ]

    async def list_artifacts(self, request: Request) -> Response:
        """List recent images and recordings, newest first."""
        listed = [artifact_json(artifact) for artifact in await self._recent_artifacts()]
        return JSONResponse({"artifacts": listed}, headers=NO_STORE)

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

    async def delete(self, request: Request) -> Response:
        """Delete one result, or all of them: also those that are not listed.

        Raises:
            UnknownUrl: no result has this id.
            OperationFailed: a file cannot be deleted.
        """
        artifact_id: str | None = request.path_params.get("id")
        try:
            count = 0 if self.artifacts is None else await to_thread.run_sync(self.artifacts.delete, artifact_id)
        except OSError as error:
            raise OperationFailed(f"{error.filename} cannot be deleted: {error.strerror}.") from error
        if artifact_id is not None and not count:
            raise UnknownUrl(f"Result {artifact_id} does not exist or has been deleted already.")
        return JSONResponse({"deleted": count})

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
