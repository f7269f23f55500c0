"""POST /v1/chat/completions: text, images, sound and tools in, text, speech and tool calls out, whole or in chunks."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
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
    ToolCallDelta,
    expect_result,
)
from model_runtime.requests import Chat, Speak
from model_runtime.service import Service
from openai_compat.api.audio_inputs import AudioInputs
from openai_compat.api.bodies import read_body
from openai_compat.api.chat_body import ChatBody
from openai_compat.api.chat_completion import ChatCompletionBuilder, choice_json, delta_json, usage_json
from openai_compat.api.chat_requests import IndexedEvent, build_chat, json_schema_text, merge_runs, repeat_chat
from openai_compat.api.generation import client_name, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import MediaInputs, read_conversation, task_of_bodies
from openai_compat.api.spoken_chat import SpokenChatRun, TranscriptStore, recall_spoken
from openai_compat.api.spoken_text import Narrator, require_voice
from openai_compat.api.tools import read_tool_use
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse
from openai_compat.http.uploads import release_upload


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """The endpoint. A vision model also answers chats without images."""

    service: Service
    image_inputs: ImageInputs
    transcripts: TranscriptStore = field(default_factory=TranscriptStore)

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/chat/completions", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Run a chat."""
        body = await read_body(request, ChatBody)
        model = await self.service.resolve(body.model, task_of_bodies(body.messages))
        if body.is_spoken:
            await require_voice(self.service, body.audio.model, body.audio.voice.id, param="audio.model")
        builder = ChatCompletionBuilder(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), body.model or model)
        if body.stream:
            include_usage = body.stream_options.include_usage
            return DeferredStreamingResponse(
                self._chunks(request, body, model, builder),
                initial_body=builder.role_chunks(body.n, include_usage=include_usage),
            )
        async with cancel_on_disconnect(request.receive):
            completion_run = await self._read_chat(request, body, model)
            return JSONResponse(await completion_run.completion(builder))

    async def _chunks(
        self, request: Request, body: ChatBody, model: str, builder: ChatCompletionBuilder
    ) -> AsyncGenerator[Chunk]:
        """Read the chat and run it. Recordings are transcribed here, where a stream is kept alive meanwhile."""
        completion_run = await self._read_chat(request, body, model)
        async with aclosing(completion_run.chunks(builder, include_usage=body.stream_options.include_usage)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _read_chat(self, request: Request, body: ChatBody, model: str) -> "ChatCompletionRun | SpokenChatRun":
        """Decode the pictures and transcribe the recordings of a chat and return what runs it.

        Raises:
            InvalidInput: a message cannot be used.
            SensesError: a recording cannot be transcribed.
        """
        client = client_name(request.headers)
        inputs = MediaInputs(self.image_inputs, AudioInputs(self.service, client))
        messages = recall_spoken(body.messages, self.transcripts)
        conversation = await read_conversation(messages, inputs, param="messages")
        body.messages.clear()  # holds pictures as base64; a request that waits keeps only the decoded ones
        release_upload(request.scope)
        chat = build_chat(
            body,
            model,
            conversation.messages,
            max_tokens=body.max_completion_tokens or body.max_tokens,
            json_schema=json_schema_text(body.response_format),
            top_logprobs=body.top_logprobs if body.logprobs else None,
            tool_use=read_tool_use(body.tools, body.tool_choice, is_parallel=body.parallel_tool_calls),
        )
        warnings = (*body.ignored_warnings(), *conversation.warnings)
        if not body.is_spoken:
            return ChatCompletionRun(self.service, repeat_chat(chat, body.n), request, body, warnings)
        speak = Speak(body.audio.model, "", voice=body.audio.voice.id)
        return SpokenChatRun(
            run_events(self.service, chat, request, body),
            Narrator(self.service, speak, client, body.keep_alive),
            body.audio.format or ("pcm16" if body.stream else "wav"),
            self.transcripts,
            warnings,
        )


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
