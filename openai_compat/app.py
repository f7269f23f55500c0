"""Builds the HTTP application from its endpoints and middleware."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from model_runtime.errors import SensesError
from model_runtime.service import Service
from model_runtime.settings import Settings
from openai_compat.api.anthropic.endpoint import MessagesEndpoint
from openai_compat.api.chat import ChatEndpoint
from openai_compat.api.completions import CompletionsEndpoint
from openai_compat.api.embeddings import EmbeddingsEndpoint
from openai_compat.api.generation import MODEL_HEADERS
from openai_compat.api.image_edits import ImageEditsEndpoint
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.image_store import TemporaryImageStore
from openai_compat.api.images import ImagesEndpoint
from openai_compat.api.models import ModelsEndpoint
from openai_compat.api.openapi import openapi_document
from openai_compat.api.realtime.endpoint import RealtimeEndpoint
from openai_compat.api.response_history import ResponseHistory
from openai_compat.api.response_store import ResponseStore
from openai_compat.api.responses import ResponsesEndpoint
from openai_compat.api.speech import SpeechEndpoint
from openai_compat.api.stored_responses import StoredResponsesEndpoint
from openai_compat.api.transcriptions import TranscriptionEndpoint
from openai_compat.api.voice_memo import VoiceMemoEndpoint
from openai_compat.dashboard.activity import ActivityFollower
from openai_compat.dashboard.api_docs import ApiDocsEndpoint
from openai_compat.dashboard.connections import ConnectedClientsProtocol, ConnectionsEndpoint, NoClients
from openai_compat.dashboard.endpoints import ClientSnippets, StatusEndpoint
from openai_compat.dashboard.events import EventsEndpoint, Follower, ListFollower, nothing_listed
from openai_compat.dashboard.folders import FolderConsents, FoldersEndpoint
from openai_compat.dashboard.history import HistoryEndpoint
from openai_compat.dashboard.log_tail import LOG_NAME, LogFollower
from openai_compat.dashboard.login import LoginEndpoint
from openai_compat.dashboard.metrics import MetricsEndpoint
from openai_compat.dashboard.model_actions import ModelActionsEndpoint, ModelFilesProtocol
from openai_compat.dashboard.results import ResultsEndpoint, StoredArtifacts
from openai_compat.dashboard.settings import SettingsControl, SettingsEndpoint
from openai_compat.dashboard.static import page_routes
from openai_compat.http.errors import (
    answer_disconnect,
    answer_http_exception,
    answer_senses_error,
    error_response,
    unknown_url_error,
)
from openai_compat.http.paths import PathMiddleware
from openai_compat.http.request_log import RequestLogMiddleware
from openai_compat.http.security import LOCAL_ORIGIN, ApiKeyMiddleware, HostOriginMiddleware
from openai_compat.http.uploads import UploadMiddleware
from openai_compat.http.web_sockets import WebSocketLimitMiddleware

NO_CLIENTS = NoClients()


class Endpoint(Protocol):
    """A family of routes."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        ...


LifespanContext = Callable[[], AbstractAsyncContextManager[Any]]
EXPOSED_HEADERS = ("x-request-id", "request-id", "openai-processing-ms", "retry-after", "x-sample-rate", *MODEL_HEADERS)


def create_app(
    service: Service,
    settings: Settings,
    *,
    artifacts: StoredArtifacts | None = None,
    client_snippets: ClientSnippets = list,
    folders: FolderConsents | None = None,
    clients: ConnectedClientsProtocol = NO_CLIENTS,
    model_files: ModelFilesProtocol | None = None,
    live_settings: SettingsControl | None = None,
    extra_routes: Sequence[BaseRoute] = (),
    contexts: Sequence[LifespanContext] = (),
) -> Starlette:
    """Return the application: OpenAI's and Anthropic's APIs under /v1, the status page at /, /docs, /health and /metrics.

    The page lists the newest of `artifacts`, shows `client_snippets` and lets a person answer for `folders`. `extra_routes` are served behind the same
    middleware, and `contexts` are open while the application runs: MCP over HTTP uses both.
    """
    followers: dict[str, Callable[[], Follower]] = {
        "activity": lambda: ActivityFollower(lambda: service.history.history),
        "clients": lambda: ListFollower("clients", clients.listed),
        "log": lambda: LogFollower(settings.folders.logs / LOG_NAME, (settings.api_key,)),
        "downloads": lambda: ListFollower("downloads", model_files.listed if model_files else nothing_listed),
        "settings": lambda: ListFollower("settings", live_settings.listed if live_settings else nothing_listed),
    }
    image_inputs, image_store = ImageInputs(service.media, settings.allow_urls), TemporaryImageStore()
    history = ResponseHistory(ResponseStore())
    endpoints: list[Endpoint] = [
        ModelsEndpoint(service),
        ChatEndpoint(service, image_inputs),
        ResponsesEndpoint(service, image_inputs, history),
        StoredResponsesEndpoint(history),
        CompletionsEndpoint(service),
        MessagesEndpoint(service, image_inputs),
        EmbeddingsEndpoint(service),
        ImagesEndpoint(service, image_store),
        ImageEditsEndpoint(service, image_store, image_inputs),
        TranscriptionEndpoint(service),
        SpeechEndpoint(service),
        VoiceMemoEndpoint(service),
        RealtimeEndpoint(service),
        StatusEndpoint(service, client_snippets),
        ResultsEndpoint(artifacts),
        ModelActionsEndpoint(service, model_files),
        EventsEndpoint(service, followers),
        ConnectionsEndpoint(clients),
        FoldersEndpoint(folders),
        HistoryEndpoint(service),
        LoginEndpoint(settings.api_key),
        MetricsEndpoint(service),
        ApiDocsEndpoint(service, openapi_document),
    ]
    if live_settings is not None:
        endpoints.append(SettingsEndpoint(live_settings))
    routes = [route for endpoint in endpoints for route in endpoint.routes()]
    return Starlette(
        routes=[*routes, *extra_routes, *page_routes(), WebSocketRoute("/{path:path}", reject_websocket)],
        middleware=middleware_stack(settings),
        exception_handlers={
            SensesError: answer_senses_error,
            HTTPException: answer_http_exception,
            ClientDisconnect: answer_disconnect,
        },
        lifespan=lifespan(contexts),
    )


def middleware_stack(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    host_origin = Middleware(
        HostOriginMiddleware,
        hosts=[settings.host, *settings.allowed_hosts],
        origins=settings.allowed_origins,
        own_names=bool(settings.api_key),
    )
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_origin_regex=LOCAL_ORIGIN,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        allow_private_network=True,
    )
    api_key = [Middleware(ApiKeyMiddleware, api_key=settings.api_key)] if settings.api_key else []
    inner = [Middleware(UploadMiddleware), Middleware(PathMiddleware), Middleware(WebSocketLimitMiddleware)]
    return [Middleware(RequestLogMiddleware), host_origin, cors, *api_key, *inner]


def lifespan(contexts: Sequence[LifespanContext]) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return a lifespan that enters the contexts in order and exits them in reverse order."""

    @asynccontextmanager
    async def run_contexts(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for context in contexts:
                await stack.enter_async_context(context())
            yield

    return run_contexts


async def reject_websocket(websocket: WebSocket) -> None:
    """Deny a WebSocket with 404 and an error envelope. Starlette's default, a bare 403, suggests a wrong API key."""
    await websocket.send_denial_response(error_response(unknown_url_error("WebSocket", websocket.url.path)))
