"""Health, status, the set-up texts of clients, and the end of a request."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput, ShuttingDown
from model_runtime.service import Service
from model_runtime.status import ModelState
from openai_compat.dashboard.folders import NO_STORE
from openai_compat.dashboard.health import health_of
from openai_compat.dashboard.status_json import status_json
from openai_compat.dashboard.thumbnail import thumbnail
from openai_compat.http.errors import UnknownUrl

ClientSnippets = Callable[[], Sequence[tuple[str, str]]]
"""Returns a client's name and its set-up text (a command to type or JSON to paste) for each client."""


@dataclass(frozen=True, slots=True)
class StatusEndpoint:
    """Status endpoints."""

    service: Service
    client_snippets: ClientSnippets = list

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/api/status", self.get_status, methods=["GET"]),
            Route("/api/clients", self.list_clients, methods=["GET"]),
            Route("/api/jobs/{id:int}/cancel", self.cancel, methods=["POST"]),
            Route("/api/jobs/{id:int}/preview", self.get_preview, methods=["GET"]),
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
        health = health_of(status)
        return JSONResponse(
            {
                "status": health.state,
                "text": health.text,
                "reasons": [asdict(reason) for reason in health.reasons],
                "problems": [f"{one.model}: {one.cause}" if one.model else one.text for one in health.reasons],
                "version": status.version,
                "uptime_seconds": status.uptime_seconds,
                "ready_models": [model.name for model in status.models if model.state is ModelState.READY],
            }
        )

    async def get_status(self, request: Request) -> Response:
        """Return the current status."""
        return JSONResponse(status_json(self.service.status()), headers=NO_STORE)

    async def list_clients(self, request: Request) -> Response:
        """List clients with their set-up texts."""
        return JSONResponse({"clients": [{"name": name, "text": text} for name, text in self.client_snippets()]})

    async def cancel(self, request: Request) -> Response:
        """Cancel a queued or running request.

        Raises:
            InvalidInput: the request does not exist or has ended.
        """
        job_id = request.path_params["id"]
        if not self.service.cancel(job_id):
            raise InvalidInput(f"Job {job_id} does not exist or has already ended.", param="id", code="not_found")
        return JSONResponse({"job": job_id})

    async def get_preview(self, request: Request) -> Response:
        """Return a small PNG of the unfinished picture of a request.

        Raises:
            UnknownUrl: the request has none, or has ended.
        """
        job_id = request.path_params["id"]
        preview = self.service.preview(job_id)
        if preview is None:
            raise UnknownUrl(f"Job {job_id} has no picture to show, or has ended.")
        png = await to_thread.run_sync(thumbnail, preview.image)
        return Response(png, media_type="image/png", headers=NO_STORE)
