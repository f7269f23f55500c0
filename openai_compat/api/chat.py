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

from model_runtime.events import Answer, Finished, TextDelta
from model_runtime.requests import Chat
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import client_name, extras, finish, outcome
from openai_compat.api.image_inputs import Attachments
from openai_compat.api.messages import read_conversation
from openai_compat.api.schemas import ChatBody, ResponseFormat
from openai_compat.http.disconnect import while_connected
from openai_compat.http.sse import DONE, Piece, PieceResponse, event

SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """The endpoint; a model that sees also takes chats without pictures."""

    service: Service
    attachments: Attachments

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [Route("/v1/chat/completions", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Answer a chat."""
        body = await read_body(request, ChatBody)
        chat = await self._chat(body)
        run = Run(self.service, chats(chat, body.n), client_name(request.headers), body.keep_alive)
        form = Form(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), body.model or chat.model)
        if body.stream:
            usage = body.stream_options.include_usage
            return PieceResponse(run.chunks(form, include_usage=usage), opening=form.opening(0, include_usage=usage))
        async with while_connected(request.receive):
            return JSONResponse(await run.completion(form))

    async def _chat(self, body: ChatBody) -> Chat:
        conversation = await read_conversation(body.messages, self.attachments, param="messages")
        return Chat(
            self.service.resolve(body.model, conversation.task),
            conversation.messages,
            max_tokens=body.max_completion_tokens or body.max_tokens or 0,
            temperature=body.temperature,
            top_p=body.top_p,
            seed=None if body.seed is None else body.seed % SEEDS,
            stop=tuple(filter(None, body.stop)),
            json_schema=schema_text(body.response_format),
        )


def schema_text(wanted: ResponseFormat) -> str:
    """Write the schema as the runtime takes it: empty for free text, "{}" for any object."""
    if wanted.type == "text":
        return ""
    return json.dumps(wanted.json_schema.schema_ if wanted.type == "json_schema" else {})


def chats(chat: Chat, count: int) -> list[Chat]:
    """The same chat several times, each with a seed of its own."""
    if chat.seed is None:
        return [chat] * count
    return [replace(chat, seed=(chat.seed + index) % SEEDS) for index in range(count)]


@dataclass(frozen=True, slots=True)
class Form:
    """The constant parts of an answer: every chunk of a stream repeats them."""

    id: str
    created: int
    model: str

    def completion(self, choices: list[dict[str, Any]], usage: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Write a whole answer."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": usage,
            **more,
        }

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        """Write one chunk."""
        payload = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return event({**payload, "choices": choices, **more})

    def delta(
        self, index: int, delta: dict[str, Any], *, include_usage: bool, end: str | None = None, **more: Any
    ) -> bytes:
        """Write a chunk of one choice; where usage was asked for, all chunks but the last say null."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": end}
        return self.chunk([choice], usage=None, **more) if include_usage else self.chunk([choice], **more)

    def opening(self, index: int, *, include_usage: bool) -> bytes:
        """Write the chunk that says who speaks."""
        return self.delta(index, {"role": "assistant", "content": ""}, include_usage=include_usage)


@dataclass(frozen=True, slots=True)
class Run:
    """One or several answers to the same chat, one after the other."""

    service: Service
    chats: list[Chat]
    client: str
    keep_alive_seconds: float | None

    async def completion(self, form: Form) -> dict[str, Any]:
        """Run to the end and write the whole answer."""
        ends = [await finish(self._events(chat), Answer) for chat in self.chats]
        choices = [choice(index, answer) for index, (_, answer) in enumerate(ends)]
        return form.completion(choices, usage([answer for _, answer in ends]), senses=extras(ends[0][0]))

    async def chunks(self, form: Form, *, include_usage: bool) -> AsyncGenerator[Piece]:
        """Run and write chunks. The first choice's opening is the caller's, to be sent while the model still loads."""
        answers: list[Answer] = []
        for index, chat in enumerate(self.chats):
            if index:
                yield form.opening(index, include_usage=include_usage)
            finished: Finished | None = None
            async with aclosing(self._events(chat)) as events:
                async for happened in events:
                    if isinstance(happened, TextDelta):
                        yield form.delta(index, {"content": happened.text}, include_usage=include_usage)
                    elif isinstance(happened, Finished):
                        finished = happened
            end, answer = outcome(finished, Answer)
            answers.append(answer)
            yield form.delta(index, {}, include_usage=include_usage, end=answer.finish_reason, senses=extras(end))
        if include_usage:
            yield form.chunk([], usage=usage(answers))
        yield DONE

    def _events(self, chat: Chat) -> AsyncGenerator[Any]:
        return self.service.run(chat, client=self.client, keep_alive_seconds=self.keep_alive_seconds)


def choice(index: int, answer: Answer) -> dict[str, Any]:
    """Write one choice of a whole answer."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}


def usage(answers: list[Answer]) -> dict[str, Any]:
    """Add up the tokens; the prompt counts once, as it was read for the first answer."""
    prompt = answers[0].prompt_tokens
    completion = sum(answer.completion_tokens for answer in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": answers[0].known_tokens},
    }
