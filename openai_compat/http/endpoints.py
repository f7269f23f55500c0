"""The endpoints of OpenAI's and Anthropic's APIs that are served, and what to use instead of others."""

from collections.abc import Mapping

from model_runtime.requests import Task

CHAT_ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/messages")
ENDPOINTS_BY_TASK: Mapping[str, tuple[str, ...]] = {
    Task.VISION: CHAT_ENDPOINTS,
    Task.TEXT: CHAT_ENDPOINTS,
    Task.IMAGE: ("/v1/images/generations", "/v1/images/edits"),
    Task.TRANSCRIPTION: ("/v1/audio/transcriptions", "/v1/audio/translations"),
    Task.SPEECH: ("/v1/audio/speech",),
    Task.EMBEDDING: ("/v1/embeddings",),
}
"""Task → the endpoints that its models serve, the usual one first."""

SERVED_ROUTES = (
    "GET /v1/models",
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "GET /v1/responses/{id}",
    "POST /v1/completions",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /v1/embeddings",
    "POST /v1/images/generations",
    "POST /v1/images/edits",
    "POST /v1/audio/transcriptions",
    "POST /v1/audio/translations",
    "POST /v1/audio/speech",
    "POST /v1/voice-memo",
    "GET /v1/audio/voices",
    "WebSocket /v1/realtime",
)
ALTERNATIVES: Mapping[str, str] = {
    "/v1/images/variations": "Send the picture to /v1/images/edits, with a prompt that says what to vary.",
    "/v1/rerank": "Compare embeddings of /v1/embeddings.",
    "/v1/moderations": "Senses has no moderation model.",
    "/v1/messages/batches": "Senses has no batches: send each request to /v1/messages.",
    "/v1/complete": "Use /v1/messages.",
    "/v1/realtime": "Open ws://…/v1/realtime?intent=transcription as a WebSocket, with the API key itself.",
}
