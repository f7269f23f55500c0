"""POST /v1/responses, the part of it that keeps nothing between calls: texts and pictures in, one message out."""

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
from model_runtime.events import ChatResult, Event, Finished, TextDelta
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.chat import json_schema_text
from openai_compat.api.generation import client_name, collect_result, expect_result, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import read_conversation
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.api.schemas import ContentPart, JsonSchema, MessageBody, ResponseFormat
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.errors import envelope
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, encode_event


@dataclass(frozen=True, slots=True)
class ResponsesEndpoint:
    """The endpoint."""

    service: Service
    image_inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [Route("/v1/responses", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Answer a conversation."""
        body = await read_body(request, ResponsesBody)
        chat = await self._build_chat(body)
        events = self.service.run(chat, client=client_name(request.headers), keep_alive_seconds=body.keep_alive)
        model_name = body.model or chat.model
        builder = ResponseBuilder(
            f"resp_{secrets.token_hex(12)}", f"msg_{secrets.token_hex(12)}", int(time.time()), model_name, body
        )
        if body.stream:
            event_stream = ResponseEventStream(builder)
            return DeferredStreamingResponse(
                event_stream.stream(events),
                initial_body=event_stream.initial_events(),
                encode_error=event_stream.error_event,
            )
        async with cancel_on_disconnect(request.receive):
            finished, answer = await collect_result(events, ChatResult)
            return JSONResponse(builder.response(answer) | {"senses": senses_fields(finished)})

    async def _build_chat(self, body: ResponsesBody) -> Chat:
        instructions = (
            [MessageBody(role="system", content=[ContentPart(text=body.instructions)])] if body.instructions else []
        )
        conversation = await read_conversation([*instructions, *body.input], self.image_inputs, param="input")
        text_format = body.text.format
        return Chat(
            self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_output_tokens or 0,
            temperature=body.temperature,
            top_p=body.top_p,
            json_schema=json_schema_text(
                ResponseFormat(type=text_format.type, json_schema=JsonSchema(schema=text_format.schema_)),
            ),
        )


@dataclass(frozen=True, slots=True)
class ResponseBuilder:
    """The constant parts of a response."""

    id: str
    message_id: str
    created: int
    model: str
    body: ResponsesBody

    def response(self, answer: ChatResult | None) -> dict[str, Any]:
        """Write the response, in progress while there is no answer yet."""
        status = "in_progress" if answer is None else "completed" if answer.finish_reason == "stop" else "incomplete"
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "model": self.model,
            "status": status,
            "output": [] if answer is None else [self.message(answer)],
            "usage": None if answer is None else usage_json(answer),
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

    def message(self, answer: ChatResult | None) -> dict[str, Any]:
        """Write the one item of the output."""
        status = "in_progress" if answer is None else "completed" if answer.finish_reason == "stop" else "incomplete"
        content = [] if answer is None else [output_text_part(answer.text)]
        return {"id": self.message_id, "type": "message", "role": "assistant", "status": status, "content": content}


def output_text_part(text: str) -> dict[str, Any]:
    """Write a piece of text as a content part."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage_json(answer: ChatResult) -> dict[str, Any]:
    """Write the token counts with the details that clients insist on."""
    return {
        "input_tokens": answer.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": answer.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


class ResponseEventStream:
    """The events of one streamed response, numbered from 0."""

    def __init__(self, builder: ResponseBuilder) -> None:
        self._builder = builder
        self._sequence_numbers: Iterator[int] = count()
        self._content_location = {"item_id": builder.message_id, "output_index": 0, "content_index": 0}

    def initial_events(self) -> bytes:
        """Write the events that come before any work."""
        response, item = self._builder.response(None), self._builder.message(None)
        return (
            self._event("response.created", {"response": response})
            + self._event("response.in_progress", {"response": response})
            + self._event("response.output_item.added", {"output_index": 0, "item": item})
            + self._event("response.content_part.added", {**self._content_location, "part": output_text_part("")})
        )

    async def stream(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Write what happens."""
        finished: Finished | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    payload = {**self._content_location, "delta": event.text, "logprobs": []}
                    yield self._event("response.output_text.delta", payload)
                elif isinstance(event, Finished):
                    finished = event
        yield self._final_events(*expect_result(finished, ChatResult))

    def error_event(self, error: SensesError) -> bytes:
        """Write the event that ends a broken stream."""
        return self._event("error", envelope(error)["error"] | envelope(error))

    def _final_events(self, finished: Finished, answer: ChatResult) -> bytes:
        item, response = (
            self._builder.message(answer),
            self._builder.response(answer) | {"senses": senses_fields(finished)},
        )
        event_type = "response.completed" if response["status"] == "completed" else "response.incomplete"
        return (
            self._event("response.output_text.done", {**self._content_location, "text": answer.text, "logprobs": []})
            + self._event(
                "response.content_part.done", {**self._content_location, "part": output_text_part(answer.text)}
            )
            + self._event("response.output_item.done", {"output_index": 0, "item": item})
            + self._event(event_type, {"response": response})
        )

    def _event(self, event_type: str, payload: Mapping[str, Any]) -> bytes:
        return encode_event(
            {**payload, "type": event_type, "sequence_number": next(self._sequence_numbers)}, event_type
        )
