"""The HTTP application, put together from its parts."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from model_runtime.errors import SensesError
from model_runtime.service import Service
from model_runtime.settings import Settings
from openai_compat.api.chat import ChatEndpoint
from openai_compat.api.generation import MODEL_HEADERS
from openai_compat.api.image_inputs import Attachments
from openai_compat.api.image_store import Shelf
from openai_compat.api.images import ImagesEndpoint
from openai_compat.api.models import ModelsEndpoint
from openai_compat.api.responses import ResponsesEndpoint
from openai_compat.api.speech import SpeechEndpoint
from openai_compat.api.transcriptions import TranscriptionEndpoint
from openai_compat.dashboard.endpoints import Artifacts, SetUps, StatusEndpoint
from openai_compat.dashboard.metrics import MetricsEndpoint
from openai_compat.dashboard.static import page_routes
from openai_compat.http.errors import answer_error, answer_gone, answer_http_error, error_response, unknown_url
from openai_compat.http.request_log import Tracing
from openai_compat.http.security import LOCAL_ORIGIN, Doorman, Key

Context = Callable[[], AbstractAsyncContextManager[Any]]
EXPOSED = ("x-request-id", "openai-processing-ms", "retry-after", "x-sample-rate", *MODEL_HEADERS)


def create_app(
    service: Service,
    settings: Settings,
    *,
    artifacts: Artifacts | None = None,
    clients: SetUps = list,
    extra_routes: Sequence[BaseRoute] = (),
    contexts: Sequence[Context] = (),
) -> Starlette:
    """Build the application: OpenAI's API under /v1, the status page at /, /health and /metrics.

    The page shows the newest of `artifacts` and how to set up `clients`. `extra_routes` are served next to ours,
    behind the same checks, and `contexts` are entered while the application lives: the place for another protocol on
    the same port.
    """
    attachments = Attachments(settings.allow_urls)
    endpoints = (
        ModelsEndpoint(service),
        ChatEndpoint(service, attachments),
        ResponsesEndpoint(service, attachments),
        ImagesEndpoint(service, Shelf()),
        TranscriptionEndpoint(service),
        SpeechEndpoint(service),
        StatusEndpoint(service, artifacts, clients),
        MetricsEndpoint(service),
    )
    routes = [route for endpoint in endpoints for route in endpoint.routes()]
    return Starlette(
        routes=[*routes, *extra_routes, *page_routes(), WebSocketRoute("/{path:path}", refuse_socket)],
        middleware=middleware(settings),
        exception_handlers={
            SensesError: answer_error,
            HTTPException: answer_http_error,
            ClientDisconnect: answer_gone,
        },
        lifespan=lifespan(contexts),
    )


def middleware(settings: Settings) -> list[Middleware]:
    """What a request passes before it reaches an endpoint, outermost first."""
    doorman = Middleware(Doorman, hosts=[settings.host, *settings.allowed_hosts], origins=settings.allowed_origins)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_origin_regex=LOCAL_ORIGIN,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED,
        allow_private_network=True,
    )
    key = [Middleware(Key, key=settings.api_key)] if settings.api_key else []
    return [Middleware(Tracing), doorman, cors, *key, Middleware(BareSlashes)]


class BareSlashes:
    """ASGI middleware that takes a trailing slash off our paths, so that a base URL with one works."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under the path without the slash."""
        path: str = scope.get("path", "")
        if path.startswith(("/v1/", "/api/")) and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/")}
        await self.app(scope, receive, send)


def lifespan(contexts: Sequence[Context]) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Enter the contexts one after the other, and leave them in reverse."""

    @asynccontextmanager
    async def live(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for context in contexts:
                await stack.enter_async_context(context())
            yield

    return live


async def refuse_socket(socket: WebSocket) -> None:
    """Deny a WebSocket with an ordinary 404 and its envelope, rather than the 403 of an unanswered handshake."""
    await socket.send_denial_response(error_response(unknown_url("WebSocket", socket.url.path)))
