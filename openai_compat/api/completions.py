"""POST /v1/completions: a text that the model continues as it stands, whole or as a stream of chunks."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.events import ChatResult, Event, Finished, TextDelta, TokenLogprob, expect_result
from model_runtime.requests import Chat, Message, Task
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.chat_body import MAX_CHOICES, SamplingBody, StreamOptions
from openai_compat.api.chat_requests import build_chat, merge_runs, repeat_chat
from openai_compat.api.generation import run_events, senses_fields
from openai_compat.api.logprobs import completion_logprobs
from openai_compat.api.schemas import text_to_list, unsupported_error
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload

DEFAULT_MAX_TOKENS = 16
"""OpenAI's own limit of a completion without one."""


class CompletionBody(SamplingBody):
    """POST /v1/completions. Several prompts have `n` answers each."""

    prompt: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_CHOICES),
        BeforeValidator(text_to_list, json_schema_input_type=str | list[str]),
    ]
    max_tokens: int = Field(DEFAULT_MAX_TOKENS, ge=1)
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject fields that would change the answer and are not supported.

        Raises:
            PydanticCustomError: a field is not supported.
        """
        if not isinstance(values, dict):
            return values
        if values.get("logprobs") is not None and values.get("echo"):
            raise unsupported_error("logprobs with echo", "A prompt has no log-probabilities here; leave out echo.")
        if values.get("suffix"):
            raise unsupported_error("suffix", "Write the model's own tokens for a gap into the prompt.")
        if values.get("best_of") not in (None, values.get("n") or 1):
            raise unsupported_error("best_of", "Leave it out, or make it equal to n.")
        prompt = values.get("prompt")
        if isinstance(prompt, list) and any(isinstance(part, int | list) for part in prompt):
            raise unsupported_error("A prompt of token ids", "Send it as text.")
        return values

    @model_validator(mode="after")
    def check_count(self) -> "CompletionBody":
        """Refuse more answers than the limit.

        Raises:
            ValueError: there are more.
        """
        if len(self.prompt) * self.n > MAX_CHOICES:
            raise ValueError(f"{len(self.prompt)} prompts with n {self.n} are more than {MAX_CHOICES} answers")
        return self


@dataclass(frozen=True, slots=True)
class CompletionsEndpoint:
    """The endpoint."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/completions", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Continue texts."""
        body = await read_body(request, CompletionBody)
        release_upload(request.scope)
        model = await self.service.resolve(body.model, Task.TEXT)
        chats = [chat for prompt in body.prompt for chat in repeat_chat(raw_chat(body, model, prompt), body.n)]
        run = CompletionRun(self.service, chats, request, body, CompletionBuilder(body.model or model))
        if body.stream:
            return DeferredStreamingResponse(run.chunks())
        async with cancel_on_disconnect(request.receive):
            return JSONResponse(await run.completion())


def raw_chat(body: CompletionBody, model: str, prompt: str) -> Chat:
    """Return the request to continue `prompt` without a template."""
    messages = [Message("user", (prompt,))]
    chat = build_chat(body, model, messages, max_tokens=body.max_tokens, top_logprobs=body.logprobs)
    return replace(chat, is_raw=True)


class CompletionBuilder:
    """Builds completions, whole or as chunks, which all repeat the same id and time."""

    def __init__(self, model: str) -> None:
        self._base = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }

    def completion(self, choices: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
        """Return a `text_completion` object."""
        return {**self._base, "choices": choices, **extra}

    def chunk(self, choices: list[dict[str, Any]], **extra: Any) -> bytes:
        """Return one event of a stream."""
        return encode_event(self.completion(choices, **extra))


@dataclass(frozen=True, slots=True)
class CompletionRun:
    """Runs all choices at once."""

    service: Service
    chats: list[Chat]
    request: Request
    body: CompletionBody
    builder: CompletionBuilder

    async def completion(self) -> dict[str, Any]:
        """Run all choices and return the completion."""
        last_events: dict[int, Event] = {}
        async with aclosing(self._events()) as events:
            async for index, event in events:
                last_events[index] = event
        runs = [expect_result(last_events.get(index), ChatResult) for index in range(len(self.chats))]
        choices = [
            choice_json(index, self._echo(index) + result.text, result.finish_reason, result.logprobs)
            for index, (_, result) in enumerate(runs)
        ]
        results = dict(enumerate(result for _, result in runs))
        return self.builder.completion(choices, usage=self._usage(results), senses=senses_fields(runs[0][0]))

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Run all choices and yield chunks; the prompts come first if they are echoed."""
        results: dict[int, ChatResult] = {}
        offsets = [0] * len(self.chats)
        async with aclosing(self._events()) as events:
            if self.body.echo:
                yield self.builder.chunk([choice_json(index, self._echo(index)) for index in range(len(self.chats))])
            async for index, event in events:
                if isinstance(event, TextDelta):
                    choice = choice_json(index, event.text, logprobs=event.logprobs, first_offset=offsets[index])
                    offsets[index] += len(event.text)
                    yield self.builder.chunk([choice])
                elif isinstance(event, Finished):
                    finished, results[index] = expect_result(event, ChatResult)
                    choice = choice_json(index, "", results[index].finish_reason)
                    yield self.builder.chunk([choice], senses=senses_fields(finished))
        if self.body.stream_options.include_usage:
            yield self.builder.chunk([], usage=self._usage(results))
        yield DONE_EVENT

    def _echo(self, index: int) -> str:
        return self.body.prompt[index // self.body.n] if self.body.echo else ""

    def _usage(self, results: Mapping[int, ChatResult]) -> dict[str, Any]:
        """Return the token counts; each prompt counts once."""
        prompt_tokens = sum(results[index].prompt_tokens for index in range(0, len(self.chats), self.body.n))
        completion_tokens = sum(result.completion_tokens for result in results.values())
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }

    def _events(self) -> AsyncGenerator[tuple[int, Event]]:
        return merge_runs([run_events(self.service, chat, self.request, self.body) for chat in self.chats])


def choice_json(
    index: int,
    text: str,
    finish_reason: str | None = None,
    logprobs: Sequence[TokenLogprob] = (),
    *,
    first_offset: int = 0,
) -> dict[str, Any]:
    """Return one choice; without a `finish_reason` it goes on.

    The type in OpenAI's specification has a reason in every chunk, but its streams have null until the last one, and
    clients take any other value for the end.
    """
    return {
        "text": text,
        "index": index,
        "logprobs": completion_logprobs(logprobs, first_offset),
        "finish_reason": finish_reason,
    }
