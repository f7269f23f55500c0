"""POST /v1/responses: text, images and tools in; reasoning, text and calls of tools out, whole or as events."""

import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, Event, expect_result
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.audio_inputs import AudioInputs
from openai_compat.api.bodies import read_json, validate_fields
from openai_compat.api.chat_body import ContentPart, JsonSchema, MessageBody, ResponseFormat
from openai_compat.api.chat_requests import build_chat, json_schema_text
from openai_compat.api.generation import client_name, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import MediaInputs, read_conversation
from openai_compat.api.response_history import NOT_KEPT, ResponseHistory, encode_items
from openai_compat.api.response_output import OutputBuilder, OutputEvent
from openai_compat.api.responses_body import ResponsesBody, tool_choice_json, tool_json
from openai_compat.api.tools import read_tool_use
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.errors import envelope
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload

ResponseStatus = Literal["in_progress", "completed", "incomplete"]


@dataclass(frozen=True, slots=True)
class ResponsesEndpoint:
    """The endpoint."""

    service: Service
    image_inputs: ImageInputs
    history: ResponseHistory

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/responses", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Run a conversation."""
        body, input_items = await self._read(request)
        async with cancel_on_disconnect(request.receive):
            chat, warnings = await self._build_chat(body, client_name(request.headers))
        body.input.clear()  # holds pictures as base64; a request that waits keeps only the decoded ones
        release_upload(request.scope)
        run = ResponseRun(
            run_events(self.service, chat, request, body),
            ResponseBuilder(body.model or chat.model, body),
            warnings,
            self.history,
            input_items,
        )
        if body.stream:
            stream = ResponseEventStream(run)
            return DeferredStreamingResponse(
                stream.chunks(), initial_body=stream.first_events(), encode_error=stream.error_event
            )
        async with cancel_on_disconnect(request.receive):
            return JSONResponse(await run.response())

    async def _read(self, request: Request) -> tuple[ResponsesBody, bytes | None]:
        """Return the body, whose input begins with the earlier conversation, and its items as JSON if they are kept.

        Raises:
            InvalidInput: the body is invalid, or it continues a response that is not kept.
            UnknownResponse: it names an item that is not kept.
        """
        values = await read_json(request)
        items: Any = await self.history.conversation(values)
        body = await to_thread.run_sync(validate_fields, {**values, "input": items}, ResponsesBody)
        return body, await to_thread.run_sync(encode_items, items) if body.store else None

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
            top_logprobs=body.logprob_count,
            tool_use=read_tool_use(body.tools, body.tool_choice, is_parallel=body.parallel_tool_calls),
        )
        return chat, (*body.ignored_warnings(), *conversation.warnings)


@dataclass(frozen=True, slots=True)
class ResponseBuilder:
    """Builds the response object. `created` is in seconds since the epoch."""

    model: str
    body: ResponsesBody
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def response(
        self, status: ResponseStatus, output: list[dict[str, Any]], result: ChatResult | None = None
    ) -> dict[str, Any]:
        """Return the response object."""
        body = self.body
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "model": self.model,
            "status": status,
            "output": output,
            "usage": None if result is None else usage_json(result),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.instructions or None,
            "max_output_tokens": body.max_output_tokens,
            "temperature": body.temperature,
            "top_p": body.top_p,
            "top_logprobs": body.top_logprobs,
            "text": {"format": body.text.format.to_json()},
            "parallel_tool_calls": body.parallel_tool_calls,
            "tool_choice": tool_choice_json(body.tool_choice),
            "tools": [tool_json(tool) for tool in body.tools],
            "previous_response_id": body.previous_response_id or None,
            "store": body.store,
            "background": False,
            "metadata": body.metadata,
        }


def usage_json(result: ChatResult) -> dict[str, Any]:
    """Return the token counts, with the details that clients require."""
    return {
        "input_tokens": result.prompt_tokens,
        "input_tokens_details": {"cached_tokens": result.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": result.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": result.reasoning_tokens},
        "total_tokens": result.prompt_tokens + result.completion_tokens,
    }


@dataclass(frozen=True, slots=True)
class ResponseRun:
    """One response while it is written. `input_items` is what it is asked with, None if it shall not be kept."""

    events: AsyncGenerator[Event]
    builder: ResponseBuilder
    warnings: tuple[str, ...]
    history: ResponseHistory
    input_items: bytes | None

    async def response(self) -> dict[str, Any]:
        """Return the whole response.

        Raises:
            SensesError: the run failed.
        """
        payload: dict[str, Any] = {}
        async with aclosing(self.output_events()) as events:
            async for _, payload in events:
                pass
        response: dict[str, Any] = payload["response"]
        return response

    async def output_events(self) -> AsyncGenerator[OutputEvent]:
        """Yield what tells of the output while it grows; the last event has the response.

        Raises:
            SensesError: the run failed.
        """
        output, event = OutputBuilder(), None
        begun = self.builder.response("in_progress", [])
        with nullcontext() if self.input_items is None else self.history.writing(begun, self.input_items):
            async with aclosing(self.events) as events:
                async for event in events:
                    for output_event in output.add(event):
                        yield output_event
            finished, result = expect_result(event, ChatResult)
            status: ResponseStatus = "incomplete" if result.finish_reason == "length" else "completed"
            for output_event in output.finish(status):
                yield output_event
            response = self.builder.response(status, output.items, result)
            response["senses"] = senses_fields(finished, self.warnings)
            if self.input_items is not None and not self.history.finish(response):
                response["senses"]["warnings"].append(NOT_KEPT)
        yield status, {"response": response}


class ResponseEventStream:
    """Encodes and numbers (from 0) the events of one streamed response."""

    def __init__(self, run: ResponseRun) -> None:
        self._run = run
        self._sequence_numbers: Iterator[int] = count()

    def first_events(self) -> bytes:
        """Return the events that precede the first token."""
        payload = {"response": self._run.builder.response("in_progress", [])}
        return self._encode("response.created", payload) + self._encode("response.in_progress", payload)

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Yield the other events."""
        async with aclosing(self._run.output_events()) as events:
            async for name, payload in events:
                yield self._encode(f"response.{name}", payload)

    def error_event(self, error: SensesError) -> bytes:
        """Return the event that ends a failed stream."""
        # the specified event has the fields at its top level; OpenAI's Python client reads them under `error`
        return self._encode("error", envelope(error)["error"] | envelope(error))

    def _encode(self, event_type: str, payload: Mapping[str, Any]) -> bytes:
        numbered = {**payload, "type": event_type, "sequence_number": next(self._sequence_numbers)}
        return encode_event(numbered, event_type)
