"""POST /v1/chat/completions: texts and pictures in, text out, whole or as a stream of chunks."""

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

from model_runtime.events import ChatResult, Finished, TextDelta
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import client_name, collect_result, expect_result, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import read_conversation
from openai_compat.api.schemas import ChatBody, ResponseFormat
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event

SEED_RANGE = 2**32


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """The endpoint; a model that sees also takes chats without pictures."""

    service: Service
    image_inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [Route("/v1/chat/completions", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Answer a chat."""
        body = await read_body(request, ChatBody)
        chat = await self._build_chat(body)
        completion_run = ChatCompletionRun(
            self.service, repeat_chat(chat, body.n), client_name(request.headers), body.keep_alive
        )
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
            self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_completion_tokens or body.max_tokens or 0,
            temperature=body.temperature,
            top_p=body.top_p,
            seed=None if body.seed is None else body.seed % SEED_RANGE,
            stop=tuple(filter(None, body.stop)),
            json_schema=json_schema_text(body.response_format),
        )


def json_schema_text(response_format: ResponseFormat) -> str:
    """Write the schema as the runtime takes it: empty for free text, "{}" for any object."""
    if response_format.type == "text":
        return ""
    return json.dumps(response_format.json_schema.schema_ if response_format.type == "json_schema" else {})


def repeat_chat(chat: Chat, count: int) -> list[Chat]:
    """The same chat several times, each with a seed of its own."""
    if chat.seed is None:
        return [chat] * count
    return [replace(chat, seed=(chat.seed + index) % SEED_RANGE) for index in range(count)]


@dataclass(frozen=True, slots=True)
class ChatCompletionBuilder:
    """The constant parts of an answer: every chunk of a stream repeats them."""

    id: str
    created: int
    model: str

    def completion(self, choices: list[dict[str, Any]], usage: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Write a whole answer."""
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
        """Write one chunk."""
        payload = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return encode_event({**payload, "choices": choices, **extra})

    def delta_chunk(
        self, index: int, delta: dict[str, Any], *, include_usage: bool, finish_reason: str | None = None, **extra: Any
    ) -> bytes:
        """Write a chunk of one choice; where usage was asked for, all chunks but the last say null."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self.chunk([choice], usage=None, **extra) if include_usage else self.chunk([choice], **extra)

    def role_chunk(self, index: int, *, include_usage: bool) -> bytes:
        """Write the chunk that says who speaks."""
        return self.delta_chunk(index, {"role": "assistant", "content": ""}, include_usage=include_usage)


@dataclass(frozen=True, slots=True)
class ChatCompletionRun:
    """One or several answers to the same chat, one after the other."""

    service: Service
    chats: list[Chat]
    client: str
    keep_alive_seconds: float | None

    async def completion(self, builder: ChatCompletionBuilder) -> dict[str, Any]:
        """Run to the end and write the whole answer."""
        results = [await collect_result(self._events(chat), ChatResult) for chat in self.chats]
        choices = [choice_json(index, answer) for index, (_, answer) in enumerate(results)]
        return builder.completion(
            choices, usage_json([answer for _, answer in results]), senses=senses_fields(results[0][0])
        )

    async def chunks(self, builder: ChatCompletionBuilder, *, include_usage: bool) -> AsyncGenerator[Chunk]:
        """Run and write chunks. The first choice's opening is the caller's, to be sent while the model still loads."""
        answers: list[ChatResult] = []
        for index, chat in enumerate(self.chats):
            if index:
                yield builder.role_chunk(index, include_usage=include_usage)
            finished: Finished | None = None
            async with aclosing(self._events(chat)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        yield builder.delta_chunk(index, {"content": event.text}, include_usage=include_usage)
                    elif isinstance(event, Finished):
                        finished = event
            final, answer = expect_result(finished, ChatResult)
            answers.append(answer)
            yield builder.delta_chunk(
                index, {}, include_usage=include_usage, finish_reason=answer.finish_reason, senses=senses_fields(final)
            )
        if include_usage:
            yield builder.chunk([], usage=usage_json(answers))
        yield DONE_EVENT

    def _events(self, chat: Chat) -> AsyncGenerator[Any]:
        return self.service.run(chat, client=self.client, keep_alive_seconds=self.keep_alive_seconds)


def choice_json(index: int, answer: ChatResult) -> dict[str, Any]:
    """Write one choice of a whole answer."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}


def usage_json(answers: list[ChatResult]) -> dict[str, Any]:
    """Add up the tokens; the prompt counts once, as it was read for the first answer."""
    prompt_tokens = answers[0].prompt_tokens
    completion_tokens = sum(answer.completion_tokens for answer in answers)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answers[0].cached_tokens},
    }
