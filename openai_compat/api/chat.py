"""POST /v1/chat/completions: text and images in, text out, whole or as a stream of chunks."""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.events import ChatResult, Event, TextDelta, expect_result
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import collect_result, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import read_conversation
from openai_compat.api.schemas import ChatBody, ResponseFormat
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload

SEED_RANGE = 2**32
"""The runtime takes unsigned 32-bit seeds; OpenAI's are signed and 64-bit."""


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """The endpoint. A vision model also answers chats without images."""

    service: Service
    image_inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/chat/completions", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Run a chat."""
        body = await read_body(request, ChatBody)
        async with cancel_on_disconnect(request.receive):
            chat = await self._build_chat(body)
        body.messages.clear()  # holds pictures as base64; a request that waits keeps only the decoded ones
        release_upload(request.scope)
        chats = repeat_chat(chat, body.n)
        completion_run = ChatCompletionRun(self.service, chats, request, body)
        builder = ChatCompletionBuilder(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), body.model or chat.model)
        if body.stream:
            include_usage = body.stream_options.include_usage
            return DeferredStreamingResponse(
                completion_run.chunks(builder, include_usage=include_usage),
                initial_body=builder.role_chunk(0, include_usage=include_usage),
            )
        async with cancel_on_disconnect(request.receive):
            return JSONResponse(await completion_run.completion(builder))

    async def _build_chat(self, body: ChatBody) -> Chat:
        conversation = await read_conversation(body.messages, self.image_inputs, param="messages")
        return Chat(
            await self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_completion_tokens or body.max_tokens or 0,
            temperature=body.temperature,
            top_p=body.top_p,
            seed=None if body.seed is None else body.seed % SEED_RANGE,
            stop=tuple(filter(None, body.stop)),
            json_schema=json_schema_text(body.response_format),
        )


def json_schema_text(response_format: ResponseFormat) -> str:
    """Return the schema in the runtime's form: "" for free text, "{}" for any JSON object."""
    if response_format.type == "text":
        return ""
    return json.dumps(response_format.json_schema.schema_ if response_format.type == "json_schema" else {})


def repeat_chat(chat: Chat, count: int) -> list[Chat]:
    """Return `count` copies of a chat. If it has a seed, the copies have consecutive seeds."""
    if chat.seed is None:
        return [chat] * count
    return [replace(chat, seed=(chat.seed + index) % SEED_RANGE) for index in range(count)]


@dataclass(frozen=True, slots=True)
class ChatCompletionBuilder:
    """Builds completions and chunks. `created` is in seconds since the epoch; every chunk repeats the three fields."""

    id: str
    created: int
    model: str

    def completion(self, choices: list[dict[str, Any]], usage: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Return a `chat.completion` object."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": usage,
            **extra,
        }

    def chunk(self, choices: list[dict[str, Any]], **extra: Any) -> bytes:
        """Return one `chat.completion.chunk` event."""
        payload = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return encode_event({**payload, "choices": choices, **extra})

    def delta_chunk(
        self, index: int, delta: dict[str, Any], *, include_usage: bool, finish_reason: str | None = None, **extra: Any
    ) -> bytes:
        """Return a chunk of one choice. If the client requests usage, it is null in all chunks but the last."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self.chunk([choice], usage=None, **extra) if include_usage else self.chunk([choice], **extra)

    def role_chunk(self, index: int, *, include_usage: bool) -> bytes:
        """Return the first chunk of a choice, which holds its role."""
        return self.delta_chunk(index, {"role": "assistant", "content": ""}, include_usage=include_usage)


@dataclass(frozen=True, slots=True)
class ChatCompletionRun:
    """Runs a chat once per requested choice, one after the other."""

    service: Service
    chats: list[Chat]
    request: Request
    body: ChatBody

    async def completion(self, builder: ChatCompletionBuilder) -> dict[str, Any]:
        """Run all choices and return the completion."""
        runs = [await collect_result(self._events(chat), ChatResult) for chat in self.chats]
        results = [result for _, result in runs]
        choices = [choice_json(index, result) for index, result in enumerate(results)]
        return builder.completion(choices, usage_json(results), senses=senses_fields(runs[0][0]))

    async def chunks(self, builder: ChatCompletionBuilder, *, include_usage: bool) -> AsyncGenerator[Chunk]:
        """Run all choices and yield chunks, except the first role chunk, which is due while the model still loads."""
        results: list[ChatResult] = []
        for index, chat in enumerate(self.chats):
            if index:
                yield builder.role_chunk(index, include_usage=include_usage)
            event: Event | None = None
            async with aclosing(self._events(chat)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        yield builder.delta_chunk(index, {"content": event.text}, include_usage=include_usage)
            finished, result = expect_result(event, ChatResult)
            results.append(result)
            yield builder.delta_chunk(
                index,
                {},
                include_usage=include_usage,
                finish_reason=result.finish_reason,
                senses=senses_fields(finished),
            )
        if include_usage:
            yield builder.chunk([], usage=usage_json(results))
        yield DONE_EVENT

    def _events(self, chat: Chat) -> AsyncGenerator[Event]:
        return run_events(self.service, chat, self.request, self.body)


def choice_json(index: int, result: ChatResult) -> dict[str, Any]:
    """Return one choice of a completion."""
    message = {"role": "assistant", "content": result.text, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": result.finish_reason}


def usage_json(results: list[ChatResult]) -> dict[str, Any]:
    """Return the token counts of all choices. The prompt counts once, as read for the first choice."""
    prompt_tokens = results[0].prompt_tokens
    completion_tokens = sum(result.completion_tokens for result in results)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": results[0].cached_tokens},
    }
