"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's API for chats, whole or streamed."""

import json
import secrets
from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput, SensesError
from model_runtime.events import ChatResult
from model_runtime.requests import Chat, Message, Tool, task_of
from model_runtime.service import Service
from openai_compat.api.anthropic.answer import MessageBuilder
from openai_compat.api.anthropic.body import AnthropicTool, CountTokensBody, MessagesBody
from openai_compat.api.anthropic.conversation import ConversationReader
from openai_compat.api.anthropic.stream import PING_EVENT, MessageStream, encode
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import collect_result, run_events, senses_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.errors import anthropic_error
from openai_compat.http.sse import DeferredStreamingResponse
from openai_compat.http.uploads import release_upload

TOOL_CHOICES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}
"""Anthropic's choice → the runtime's."""


@dataclass(frozen=True, slots=True)
class MessagesEndpoint:
    """The endpoints."""

    service: Service
    image_inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/messages", self.create, methods=["POST"]),
            Route("/v1/messages/count_tokens", self.count_tokens, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Continue a conversation."""
        body = await read_body(request, MessagesBody)
        warnings = body.ignored_warnings()
        chat = with_sampling(await self._read_chat(request, body), body)
        events = run_events(self.service, chat, request, body)
        builder = MessageBuilder(f"msg_{secrets.token_hex(12)}", body.model or chat.model, body, warnings)
        if not body.stream:
            async with cancel_on_disconnect(request.receive):
                return JSONResponse(builder.whole_message(*await collect_result(events, ChatResult)))
        stream = MessageStream(builder)

        def encode_error(error: SensesError) -> bytes:
            _, content = anthropic_error(error, request.scope)
            return encode(content)

        return DeferredStreamingResponse(
            stream.chunks(events), initial_body=stream.start(), encode_error=encode_error, ping=PING_EVENT
        )

    async def count_tokens(self, request: Request) -> Response:
        """Count the tokens of a conversation by the template and tokenizer of its model."""
        body = await read_body(request, CountTokensBody)
        chat = replace(await self._read_chat(request, body), counts_only=True, max_tokens=1)
        events = run_events(self.service, chat, request, body)
        async with cancel_on_disconnect(request.receive):
            finished, result = await collect_result(events, ChatResult)
        return JSONResponse({"input_tokens": result.prompt_tokens, "senses": senses_fields(finished)})

    async def _read_chat(self, request: Request, body: CountTokensBody) -> Chat:
        """Return the chat of a body, whose pictures are decoded and then not held as base64, too.

        Raises:
            InvalidInput: it is a part of a conversation that is kept here; Anthropic's client then sends the whole.
        """
        if body.thread is not None:
            reason = "thread is not supported: Senses keeps no conversations. Send the whole one, without thread."
            raise InvalidInput(reason, param="thread", code="thread_unsupported_request")
        async with cancel_on_disconnect(request.receive):
            messages = await ConversationReader(self.image_inputs).read(body)
            chat = to_chat(body, messages)
            chat = replace(chat, model=await self.service.resolve(body.model, task_of(chat)))
        body.messages.clear()
        release_upload(request.scope)
        return chat


def to_chat(body: CountTokensBody, messages: tuple[Message, ...]) -> Chat:
    """Return the chat of a body that has been read into messages."""
    choice = body.tool_choice
    return Chat(
        body.model,
        messages,
        json_schema=json.dumps(body.answer_format.schema_) if body.answer_format else "",
        tools=tuple(map(to_tool, body.tools)),
        tool_choice=TOOL_CHOICES[choice.type],
        forced_tool=choice.name if choice.type == "tool" else "",
        parallel_tool_calls=not choice.disable_parallel_tool_use,
    )


def to_tool(body: AnthropicTool) -> Tool:
    """Return a tool of the runtime."""
    return Tool(body.name, body.description, json.dumps(body.input_schema), body.strict)


def with_sampling(chat: Chat, body: MessagesBody) -> Chat:
    """Return the chat with how its answer is written."""
    return replace(
        chat,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=tuple(filter(None, body.stop_sequences)),
    )
