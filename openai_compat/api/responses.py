"""POST /v1/responses without stored state: text and images in, one message out."""

import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, Event, Finished, TextDelta, expect_result
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.audio_inputs import AudioInputs
from openai_compat.api.bodies import read_body
from openai_compat.api.chat_body import ContentPart, JsonSchema, MessageBody, ResponseFormat
from openai_compat.api.chat_requests import build_chat, json_schema_text
from openai_compat.api.generation import client_name, collect_result, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import MediaInputs, read_conversation
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.errors import envelope
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload


@dataclass(frozen=True, slots=True)
class ResponsesEndpoint:
    """The endpoint."""

    service: Service
    image_inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/responses", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Run a conversation."""
        body = await read_body(request, ResponsesBody)
        async with cancel_on_disconnect(request.receive):
            chat, warnings = await self._build_chat(body, client_name(request.headers))
        body.input.clear()  # holds pictures as base64; a request that waits keeps only the decoded ones
        release_upload(request.scope)
        events = run_events(self.service, chat, request, body)
        model_name = body.model or chat.model
        builder = ResponseBuilder(
            f"resp_{secrets.token_hex(12)}",
            f"msg_{secrets.token_hex(12)}",
            int(time.time()),
            model_name,
            body,
            warnings,
        )
        if body.stream:
            event_stream = ResponseEventStream(builder)
            return DeferredStreamingResponse(
                event_stream.stream(events),
                initial_body=event_stream.initial_events(),
                encode_error=event_stream.error_event,
            )
        async with cancel_on_disconnect(request.receive):
            finished, result = await collect_result(events, ChatResult)
            return JSONResponse(builder.response(result) | {"senses": builder.senses(finished)})

    async def _build_chat(self, body: ResponsesBody, client: str) -> tuple[Chat, tuple[str, ...]]:
        """Return the chat, and what its answer must tell."""
        instructions = (
            [MessageBody(role="system", content=[ContentPart(text=body.instructions)])] if body.instructions else []
        )
        inputs = MediaInputs(self.image_inputs, AudioInputs(self.service, client))
        conversation = await read_conversation([*instructions, *body.input], inputs, param="input")
        text_format = body.text.format
        json_schema = JsonSchema(schema=text_format.schema_)
        chat = build_chat(
            body,
            await self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_output_tokens,
            json_schema=json_schema_text(ResponseFormat(type=text_format.type, json_schema=json_schema)),
        )
        return chat, (*body.ignored_warnings(), *conversation.warnings)


@dataclass(frozen=True, slots=True)
class ResponseBuilder:
    """Builds the response object and its message. `created` is in seconds since the epoch."""

    id: str
    message_id: str
    created: int
    model: str
    body: ResponsesBody
    warnings: tuple[str, ...] = ()

    def response(self, result: ChatResult | None) -> dict[str, Any]:
        """Return the response object. Without a result it is in progress."""
        status = response_status(result)
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "model": self.model,
            "status": status,
            "output": [] if result is None else [self.message(result)],
            "usage": None if result is None else usage_json(result),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": self.body.instructions or None,
            "max_output_tokens": self.body.max_output_tokens,
            "temperature": self.body.temperature,
            "top_p": self.body.top_p,
            "text": {"format": self.body.text.format.to_json()},
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "metadata": {},
        }

    def senses(self, finished: Finished) -> dict[str, Any]:
        """Return our field of the response."""
        return senses_fields(finished, self.warnings)

    def message(self, result: ChatResult | None) -> dict[str, Any]:
        """Return the only item of the output."""
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "status": response_status(result),
            "content": [] if result is None else [output_text_part(result.text)],
        }


def response_status(result: ChatResult | None) -> str:
    """Return OpenAI's status. A result that the token limit cut off is incomplete."""
    if result is None:
        return "in_progress"
    return "completed" if result.finish_reason == "stop" else "incomplete"


def output_text_part(text: str) -> dict[str, Any]:
    """Return a text as a content part."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage_json(result: ChatResult) -> dict[str, Any]:
    """Return the token counts, with the details that clients require."""
    return {
        "input_tokens": result.prompt_tokens,
        "input_tokens_details": {"cached_tokens": result.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": result.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": result.prompt_tokens + result.completion_tokens,
    }


class ResponseEventStream:
    """Encodes and numbers (from 0) the events of one streamed response."""

    def __init__(self, builder: ResponseBuilder) -> None:
        self._builder = builder
        self._sequence_numbers: Iterator[int] = count()
        self._content_location = {"item_id": builder.message_id, "output_index": 0, "content_index": 0}

    def initial_events(self) -> bytes:
        """Return the events that precede the first token."""
        response, item = self._builder.response(None), self._builder.message(None)
        return (
            self._event("response.created", {"response": response})
            + self._event("response.in_progress", {"response": response})
            + self._event("response.output_item.added", {"output_index": 0, "item": item})
            + self._event("response.content_part.added", {**self._content_location, "part": output_text_part("")})
        )

    async def stream(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Yield an event per text delta, then the final events."""
        event: Event | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    payload = {**self._content_location, "delta": event.text, "logprobs": []}
                    yield self._event("response.output_text.delta", payload)
        yield self._final_events(*expect_result(event, ChatResult))

    def error_event(self, error: SensesError) -> bytes:
        """Return the event that ends a failed stream."""
        # the specified event has the fields at its top level; OpenAI's Python client reads them under `error`
        return self._event("error", envelope(error)["error"] | envelope(error))

    def _final_events(self, finished: Finished, result: ChatResult) -> bytes:
        item = self._builder.message(result)
        response = self._builder.response(result) | {"senses": self._builder.senses(finished)}
        text = {**self._content_location, "text": result.text, "logprobs": []}
        part = {**self._content_location, "part": output_text_part(result.text)}
        return (
            self._event("response.output_text.done", text)
            + self._event("response.content_part.done", part)
            + self._event("response.output_item.done", {"output_index": 0, "item": item})
            + self._event(f"response.{response['status']}", {"response": response})
        )

    def _event(self, event_type: str, payload: Mapping[str, Any]) -> bytes:
        numbered = {**payload, "type": event_type, "sequence_number": next(self._sequence_numbers)}
        return encode_event(numbered, event_type)
