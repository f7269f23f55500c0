"""POST /v1/chat/completions: text, images and tools in, text and tool calls out, whole or as a stream of chunks."""

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.events import (
    ChatResult,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    expect_result,
)
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.audio_inputs import AudioInputs
from openai_compat.api.bodies import read_body
from openai_compat.api.chat_body import ChatBody
from openai_compat.api.chat_requests import IndexedEvent, build_chat, json_schema_text, merge_runs, repeat_chat
from openai_compat.api.generation import client_name, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.logprobs import logprobs_json
from openai_compat.api.messages import MediaInputs, read_conversation
from openai_compat.api.tools import read_tool_use, tool_call_delta_json, tool_calls_json
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload


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
            chat, warnings = await self._build_chat(body, client_name(request.headers))
        body.messages.clear()  # holds pictures as base64; a request that waits keeps only the decoded ones
        release_upload(request.scope)
        chats = repeat_chat(chat, body.n)
        completion_run = ChatCompletionRun(self.service, chats, request, body, warnings)
        builder = ChatCompletionBuilder(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), body.model or chat.model)
        if body.stream:
            include_usage = body.stream_options.include_usage
            return DeferredStreamingResponse(
                completion_run.chunks(builder, include_usage=include_usage),
                initial_body=builder.role_chunks(body.n, include_usage=include_usage),
            )
        async with cancel_on_disconnect(request.receive):
            return JSONResponse(await completion_run.completion(builder))

    async def _build_chat(self, body: ChatBody, client: str) -> tuple[Chat, tuple[str, ...]]:
        """Return the chat, and what its answer must tell."""
        inputs = MediaInputs(self.image_inputs, AudioInputs(self.service, client))
        conversation = await read_conversation(body.messages, inputs, param="messages")
        chat = build_chat(
            body,
            await self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_completion_tokens or body.max_tokens,
            json_schema=json_schema_text(body.response_format),
            top_logprobs=body.top_logprobs if body.logprobs else None,
            tool_use=read_tool_use(body.tools, body.tool_choice, is_parallel=body.parallel_tool_calls),
        )
        return chat, (*body.ignored_warnings(), *conversation.warnings)


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
        self,
        index: int,
        delta: dict[str, Any],
        *,
        include_usage: bool,
        finish_reason: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
        **extra: Any,
    ) -> bytes:
        """Return a chunk of one choice. If the client requests usage, it is null in all chunks but the last."""
        choice = {"index": index, "delta": delta, "logprobs": logprobs_json(logprobs), "finish_reason": finish_reason}
        return self.chunk([choice], usage=None, **extra) if include_usage else self.chunk([choice], **extra)

    def role_chunks(self, count: int, *, include_usage: bool) -> bytes:
        """Return the first chunk of each choice, which holds its role."""
        first = {"role": "assistant", "content": ""}
        return b"".join(self.delta_chunk(index, first, include_usage=include_usage) for index in range(count))

    def last_chunk(self, index: int, result: ChatResult, senses: dict[str, Any], *, include_usage: bool) -> bytes:
        """Return the last chunk of a choice, which says why it ended."""
        reason = result.finish_reason
        return self.delta_chunk(index, {}, include_usage=include_usage, finish_reason=reason, senses=senses)


@dataclass(frozen=True, slots=True)
class ChatCompletionRun:
    """Runs a chat once per requested choice, all at once. `warnings` come before those of the model."""

    service: Service
    chats: list[Chat]
    request: Request
    body: ChatBody
    warnings: tuple[str, ...] = ()

    async def completion(self, builder: ChatCompletionBuilder) -> dict[str, Any]:
        """Run all choices and return the completion."""
        last_events: dict[int, Event] = {}
        async with aclosing(self._events()) as events:
            async for index, event in events:
                last_events[index] = event
        runs = [expect_result(last_events.get(index), ChatResult) for index in range(len(self.chats))]
        results = [result for _, result in runs]
        choices = [choice_json(index, result) for index, result in enumerate(results)]
        return builder.completion(choices, usage_json(results), senses=senses_fields(runs[0][0], self.warnings))

    async def chunks(self, builder: ChatCompletionBuilder, *, include_usage: bool) -> AsyncGenerator[Chunk]:
        """Run all choices and yield chunks, except the role chunks, which are due while the model still loads."""
        results: dict[int, ChatResult] = {}
        async with aclosing(self._events()) as events:
            async for index, event in events:
                if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
                    logprobs = event.logprobs if isinstance(event, TextDelta) else ()
                    delta = delta_json(event)
                    yield builder.delta_chunk(index, delta, include_usage=include_usage, logprobs=logprobs)
                elif isinstance(event, Finished):
                    finished, results[index] = expect_result(event, ChatResult)
                    yield builder.last_chunk(
                        index, results[index], senses_fields(finished, self.warnings), include_usage=include_usage
                    )
        if include_usage:
            yield builder.chunk([], usage=usage_json([results[index] for index in range(len(self.chats))]))
        yield DONE_EVENT

    def _events(self) -> AsyncGenerator[IndexedEvent]:
        return merge_runs([run_events(self.service, chat, self.request, self.body) for chat in self.chats])


def delta_json(event: TextDelta | ReasoningDelta | ToolCallDelta) -> dict[str, Any]:
    """Return what a chunk adds to the message. `reasoning_content` is DeepSeek's name, which many clients read."""
    match event:
        case TextDelta():
            return {"content": event.text}
        case ReasoningDelta():
            return {"reasoning_content": event.text}
        case ToolCallDelta():
            return {"tool_calls": [tool_call_delta_json(event)]}


def message_json(result: ChatResult) -> dict[str, Any]:
    """Return the message of a whole answer. Beside tool calls, no text is null."""
    message: dict[str, Any] = {"role": "assistant", "content": result.text, "refusal": None}
    if result.tool_calls:
        message |= {"content": result.text or None, "tool_calls": tool_calls_json(result.tool_calls)}
    return message | ({"reasoning_content": result.reasoning} if result.reasoning else {})


def choice_json(index: int, result: ChatResult) -> dict[str, Any]:
    """Return one choice of a completion."""
    return {
        "index": index,
        "message": message_json(result),
        "logprobs": logprobs_json(result.logprobs),
        "finish_reason": result.finish_reason,
    }


def usage_json(results: list[ChatResult]) -> dict[str, Any]:
    """Return the token counts of all choices. The prompt counts once, as read for the first choice."""
    prompt_tokens = results[0].prompt_tokens
    completion_tokens = sum(result.completion_tokens for result in results)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": results[0].cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": sum(result.reasoning_tokens for result in results)},
    }
