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
from model_runtime.events import Answer, Event, Finished, TextDelta
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.chat import schema_text
from openai_compat.api.generation import client_name, extras, finish, outcome
from openai_compat.api.image_inputs import Attachments
from openai_compat.api.messages import read_conversation
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.api.schemas import JsonSchema, MessageBody, Part, ResponseFormat
from openai_compat.http.disconnect import while_connected
from openai_compat.http.errors import envelope
from openai_compat.http.sse import Piece, PieceResponse, event


@dataclass(frozen=True, slots=True)
class ResponsesEndpoint:
    """The endpoint."""

    service: Service
    attachments: Attachments

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [Route("/v1/responses", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Answer a conversation."""
        body = await read_body(request, ResponsesBody)
        chat = await self._chat(body)
        events = self.service.run(chat, client=client_name(request.headers), keep_alive_seconds=body.keep_alive)
        name = body.model or chat.model
        form = Form(f"resp_{secrets.token_hex(12)}", f"msg_{secrets.token_hex(12)}", int(time.time()), name, body)
        if body.stream:
            story = Story(form)
            return PieceResponse(story.tell(events), opening=story.opening(), on_error=story.error)
        async with while_connected(request.receive):
            finished, answer = await finish(events, Answer)
            return JSONResponse(form.response(answer) | {"senses": extras(finished)})

    async def _chat(self, body: ResponsesBody) -> Chat:
        system = [MessageBody(role="system", content=[Part(text=body.instructions)])] if body.instructions else []
        conversation = await read_conversation([*system, *body.input], self.attachments, param="input")
        wanted = body.text.format
        return Chat(
            self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_output_tokens or 0,
            temperature=body.temperature,
            top_p=body.top_p,
            json_schema=schema_text(
                ResponseFormat(type=wanted.type, json_schema=JsonSchema(schema=wanted.schema_)),
            ),
        )


@dataclass(frozen=True, slots=True)
class Form:
    """The constant parts of a response."""

    id: str
    message_id: str
    created: int
    model: str
    body: ResponsesBody

    def response(self, answer: Answer | None) -> dict[str, Any]:
        """Write the response, in progress while there is no answer yet."""
        status = "in_progress" if answer is None else "completed" if answer.finish_reason == "stop" else "incomplete"
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "model": self.model,
            "status": status,
            "output": [] if answer is None else [self.message(answer)],
            "usage": None if answer is None else usage(answer),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": self.body.instructions or None,
            "max_output_tokens": self.body.max_output_tokens,
            "temperature": self.body.temperature,
            "top_p": self.body.top_p,
            "text": {"format": self.body.text.format.told()},
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "metadata": {},
        }

    def message(self, answer: Answer | None) -> dict[str, Any]:
        """Write the one item of the output."""
        status = "in_progress" if answer is None else "completed" if answer.finish_reason == "stop" else "incomplete"
        content = [] if answer is None else [text_part(answer.text)]
        return {"id": self.message_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(text: str) -> dict[str, Any]:
    """Write a piece of text as a content part."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage(answer: Answer) -> dict[str, Any]:
    """Write the token counts with the details that clients insist on."""
    return {
        "input_tokens": answer.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answer.known_tokens, "cache_write_tokens": 0},
        "output_tokens": answer.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


class Story:
    """The events of one streamed response, numbered from 0."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._numbers: Iterator[int] = count()
        self._place = {"item_id": form.message_id, "output_index": 0, "content_index": 0}

    def opening(self) -> bytes:
        """Write the events that come before any work."""
        response, item = self._form.response(None), self._form.message(None)
        return (
            self._event("response.created", {"response": response})
            + self._event("response.in_progress", {"response": response})
            + self._event("response.output_item.added", {"output_index": 0, "item": item})
            + self._event("response.content_part.added", {**self._place, "part": text_part("")})
        )

    async def tell(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Piece]:
        """Write what happens."""
        finished: Finished | None = None
        async with aclosing(events):
            async for happened in events:
                if isinstance(happened, TextDelta):
                    payload = {**self._place, "delta": happened.text, "logprobs": []}
                    yield self._event("response.output_text.delta", payload)
                elif isinstance(happened, Finished):
                    finished = happened
        yield self._ending(*outcome(finished, Answer))

    def error(self, error: SensesError) -> bytes:
        """Write the event that ends a broken stream."""
        return self._event("error", envelope(error)["error"] | envelope(error))

    def _ending(self, finished: Finished, answer: Answer) -> bytes:
        item, response = self._form.message(answer), self._form.response(answer) | {"senses": extras(finished)}
        end = "response.completed" if response["status"] == "completed" else "response.incomplete"
        return (
            self._event("response.output_text.done", {**self._place, "text": answer.text, "logprobs": []})
            + self._event("response.content_part.done", {**self._place, "part": text_part(answer.text)})
            + self._event("response.output_item.done", {"output_index": 0, "item": item})
            + self._event(end, {"response": response})
        )

    def _event(self, kind: str, payload: Mapping[str, Any]) -> bytes:
        return event({**payload, "type": kind, "sequence_number": next(self._numbers)}, kind)
