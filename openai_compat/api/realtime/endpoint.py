"""WebSocket /v1/realtime: sound in while it is recorded, its words out while it is heard."""

from dataclasses import dataclass

from anyio import to_thread
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from model_runtime.errors import InvalidInput, ShuttingDown
from model_runtime.requests import Task
from model_runtime.service import Service
from openai_compat.http.web_sockets import accept

BETA_HEADER, BETA_VALUE = "openai-beta", "realtime=v1"
"""What clients of the API's beta send; they know other names of some events."""


@dataclass(frozen=True, slots=True)
class RealtimeEndpoint:
    """Transcription sessions. What they need is imported by the first one, to keep an idle daemon small."""

    service: Service

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [WebSocketRoute("/v1/realtime", self.connect)]

    async def connect(self, websocket: WebSocket) -> None:
        """Serve a session, or refuse the handshake.

        Raises:
            InvalidInput: it would be a conversation.
            ModelMissing: the model of the address is not on this disk.
            ShuttingDown: requests are no longer accepted.
            UnknownModel: there is no model of this name.
        """
        require_transcription(websocket.query_params.get("intent", ""))
        if not self.service.status().accepting:
            raise ShuttingDown("Senses is shutting down.", retry_after_seconds=5)
        model = websocket.query_params.get("model", "")
        if model:
            await self.service.resolve(model, Task.TRANSCRIPTION)
        await to_thread.run_sync(import_libraries)
        from openai_compat.api.realtime.connection import RealtimeConnection
        from openai_compat.api.realtime.session import RealtimeSession
        from openai_compat.api.realtime.settings import SessionSettings

        settings = SessionSettings().updated({"audio": {"input": {"transcription": {"model": model}}}})
        session = RealtimeSession(settings, beta=is_beta(websocket))
        await accept(websocket)
        await RealtimeConnection(self.service, websocket, session).serve()


def import_libraries() -> None:
    """Import what sessions need. The first time that takes a quarter of a second, too long for the event loop."""
    import av  # noqa: F401

    import openai_compat.api.realtime.connection  # noqa: F401


def require_transcription(intent: str) -> None:
    """Check what a session is for.

    Raises:
        InvalidInput: it is not "transcription".
    """
    if intent != "transcription":
        raise InvalidInput(
            "Senses serves realtime transcription, and no conversations that answer by voice. Connect to "
            "/v1/realtime?intent=transcription; /v1/chat/completions answers, and /v1/audio/speech speaks.",
            param="intent",
            code="unsupported_value",
        )


def is_beta(websocket: WebSocket) -> bool:
    """Return whether a client speaks the beta's words; browsers say so in a subprotocol."""
    offered = websocket.scope.get("subprotocols", [])
    return BETA_VALUE in websocket.headers.get(BETA_HEADER, "") or "openai-beta.realtime-v1" in offered
