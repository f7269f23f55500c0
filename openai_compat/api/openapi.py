"""The description of the API in OpenAPI 3.1, made of the very models that validate requests.

A validator that accepts more than one type names these in `json_schema_input_type`. Format:
https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from openai_compat.api.anthropic.body import CountTokensBody, MessagesBody
from openai_compat.api.chat_body import ChatBody, InputAudio
from openai_compat.api.completions import CompletionBody
from openai_compat.api.embeddings import EmbeddingsBody
from openai_compat.api.image_edits import ImageEditBody
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.api.schemas import ImagesBody, SpeechBody, TranscriptionBody, WireModel
from openai_compat.api.voice_memo import VoiceMemoBody
from openai_compat.http.uploads import RECORDING_TYPES

JSON, EVENTS, FORM = "application/json", "text/event-stream", "multipart/form-data"
REF_TEMPLATE = "#/components/schemas/{model}"
ERROR_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "Every answer that is no success. `param` names the field that is wrong.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
ANTHROPIC_ERROR_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "Every answer of Anthropic's API that is no success. `details.error_code` is our name of the cause.",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object", "properties": {"error_code": {"type": "string"}}},
            },
        },
        "request_id": {"type": "string"},
    },
}
FILE_SCHEMA: Mapping[str, Any] = {"type": "string", "format": "binary"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `answers` are content types; `parameters` maps names in the path or query to what they are."""

    method: str
    path: str
    summary: str
    body: type[WireModel] | None = None
    takes_recording: bool = False
    answers: tuple[str, ...] = (JSON,)
    parameters: Mapping[str, str] = field(default_factory=dict)
    error: str = "Error"


RESPONSE_ID: Mapping[str, str] = {"id": "the id of the response"}
OPERATIONS = (
    Operation("get", "/v1/models", "List the models that can answer now."),
    Operation("get", "/v1/models/{name}", "Describe one model.", parameters={"name": "any of its names"}),
    Operation(
        "post",
        "/v1/chat/completions",
        "Continue a chat with text, pictures and sound, in text or speech.",
        ChatBody,
        answers=(JSON, EVENTS),
    ),
    Operation(
        "post",
        "/v1/responses",
        "Continue a conversation, in the format of responses.",
        ResponsesBody,
        answers=(JSON, EVENTS),
    ),
    Operation("get", "/v1/responses/{id}", "Return a response that is kept.", parameters=RESPONSE_ID),
    Operation("delete", "/v1/responses/{id}", "Forget a response.", parameters=RESPONSE_ID),
    Operation(
        "get",
        "/v1/responses/{id}/input_items",
        "List what a response was asked with, by pages.",
        parameters={
            **RESPONSE_ID,
            "limit": "1 to 100 items, 20 by default",
            "order": "asc or desc, which is the default",
            "after": "the id of the last item of the page before",
        },
    ),
    Operation(
        "post",
        "/v1/responses/{id}/cancel",
        "Refused for every response, as none runs in the background.",
        parameters=RESPONSE_ID,
    ),
    Operation("post", "/v1/completions", "Continue a text as it stands.", CompletionBody, answers=(JSON, EVENTS)),
    Operation(
        "post",
        "/v1/messages",
        "Continue a chat with text, pictures and tools, in the format of Anthropic's API.",
        MessagesBody,
        answers=(JSON, EVENTS),
        error="AnthropicError",
    ),
    Operation(
        "post",
        "/v1/messages/count_tokens",
        "Count the tokens of a chat by the template and tokenizer of its model.",
        CountTokensBody,
        error="AnthropicError",
    ),
    Operation("post", "/v1/images/generations", "Draw pictures.", ImagesBody, answers=(JSON, EVENTS)),
    Operation("post", "/v1/images/edits", "Change a picture as a prompt says.", ImageEditBody, answers=(JSON, EVENTS)),
    Operation("post", "/v1/embeddings", "Turn texts into vectors.", EmbeddingsBody),
    Operation(
        "get",
        "/v1/files/images/{name}",
        "Return a picture that was asked for as a URL.",
        answers=("image/*",),
        parameters={"name": "the end of its URL"},
    ),
    Operation(
        "post",
        "/v1/audio/transcriptions",
        "Write down a recording in its language.",
        TranscriptionBody,
        takes_recording=True,
        answers=(JSON, "text/plain", EVENTS),
    ),
    Operation(
        "post",
        "/v1/audio/translations",
        "Write down a recording in English.",
        TranscriptionBody,
        takes_recording=True,
        answers=(JSON, "text/plain", EVENTS),
    ),
    Operation("post", "/v1/audio/speech", "Speak a text.", SpeechBody, answers=("audio/*", EVENTS)),
    Operation(
        "post",
        "/v1/voice-memo",
        "Write down a recording, summarise it and speak the summary. Fields may be in the query.",
        VoiceMemoBody,
        takes_recording=True,
        answers=(JSON, "audio/*", EVENTS),
    ),
    Operation("get", "/v1/audio/models", "List the models that speak."),
    Operation("get", "/v1/audio/voices", "List the voices of a model.", parameters={"model": "any of its names"}),
)
"""Every route under /v1."""


@cache
def openapi_document(version: str) -> dict[str, Any]:
    """Return the document; `version` is that of Senses."""
    bodies: set[type[WireModel]] = {operation.body for operation in OPERATIONS if operation.body}
    bodies.add(InputAudio)
    _, definitions = models_json_schema(
        [(body, "validation") for body in sorted(bodies, key=lambda body: body.__name__)], ref_template=REF_TEMPLATE
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation_json(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Senses",
            "version": version or "0",
            "summary": "OpenAI's and Anthropic's APIs, answered by models on this machine.",
            "description": "Unknown fields are ignored; null means the default. Answers have our field `senses`: "
            "the model that answered, its warnings, and the seconds it took. Two WebSockets are no part of OpenAPI: "
            "/v1/realtime?intent=transcription, which is OpenAI's, and /api/events, whose messages are snapshots.",
        },
        "paths": paths,
        "components": {
            "schemas": {**definitions["$defs"], "Error": ERROR_SCHEMA, "AnthropicError": ANTHROPIC_ERROR_SCHEMA},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "anthropicKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{}, {"key": []}, {"anthropicKey": []}],
    }


def _operation_json(operation: Operation) -> dict[str, Any]:
    error = {"description": "An error.", "content": {JSON: {"schema": _ref(operation.error)}}}
    answer = {"description": "Success.", "content": {kind: {} for kind in operation.answers}}
    described: dict[str, Any] = {"summary": operation.summary, "responses": {"200": answer, "default": error}}
    if operation.parameters:
        described["parameters"] = [_parameter(operation, *named) for named in operation.parameters.items()]
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": _body_content(operation.body, operation.takes_recording),
        }
    return described


def _parameter(operation: Operation, name: str, description: str) -> dict[str, Any]:
    in_path = f"{{{name}}}" in operation.path
    place = {"in": "path", "required": True} if in_path else {"in": "query"}
    return {"name": name, "description": description, "schema": {"type": "string", "minLength": int(in_path)}, **place}


def _body_content(body: type[WireModel], takes_recording: bool) -> dict[str, Any]:
    fields = _ref(body.__name__)
    if body is ImageEditBody:
        pictures = {"image": FILE_SCHEMA, "image[]": {"type": "array", "items": FILE_SCHEMA}, "mask": FILE_SCHEMA}
        form = {"type": "object", "properties": pictures}
        return {FORM: {"schema": {"allOf": [fields, form]}}, JSON: {"schema": fields}}
    if not takes_recording:
        return {JSON: {"schema": fields}}
    return {
        FORM: {"schema": _with_field(fields, "file", FILE_SCHEMA)},
        JSON: {"schema": _with_field(fields, "input_audio", _ref("InputAudio"))},
        **{f"{kind}*" if kind.endswith("/") else kind: {"schema": FILE_SCHEMA} for kind in RECORDING_TYPES},
    }


def _with_field(fields: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"allOf": [fields, {"type": "object", "required": [name], "properties": {name: schema}}]}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF_TEMPLATE.format(model=name)}
