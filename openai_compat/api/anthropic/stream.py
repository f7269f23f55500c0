"""A streamed answer as Anthropic's events.

Format: https://docs.anthropic.com/en/api/messages-streaming
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from model_runtime.events import ChatResult, Event, ReasoningDelta, TextDelta, ToolCallDelta, expect_result
from openai_compat.api.anthropic.answer import (
    NO_USAGE,
    SIGNATURE,
    MessageBuilder,
    text_block,
    thinking_block,
    tool_use_block,
    usage_json,
)
from openai_compat.http.sse import Chunk, encode_event


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return an event, which says its type twice."""
    return encode_event(payload, payload["type"])


PING_EVENT = encode({"type": "ping"})


class MessageStream:
    """Encodes the events of one answer. A block is open until another one begins."""

    def __init__(self, builder: MessageBuilder) -> None:
        self._builder = builder
        self._shows_thinking = builder.body.thinking.is_shown
        self._index = -1
        self._open = ""
        """What the open block is of: its type, and of a call its number; "" for none."""

    def start(self) -> bytes:
        """Return the first event, which is due while the model still loads."""
        return encode({"type": "message_start", "message": self._builder.message([], {**NO_USAGE})})

    async def chunks(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Yield the events of the blocks, then those of the end."""
        event: Event | None = None
        async with aclosing(events):
            async for event in events:
                if chunk := self._encode_delta(event):
                    yield chunk
        finished, result = expect_result(event, ChatResult)
        yield (
            self._close_block()
            + encode(
                {
                    "type": "message_delta",
                    "delta": self._builder.stop(result),
                    "usage": usage_json(result),
                    "senses": self._builder.senses(finished, result),
                }
            )
            + encode({"type": "message_stop"})
        )

    def _encode_delta(self, event: Event) -> bytes:
        """Return what an event adds to the answer; b"" for nothing."""
        match event:
            case TextDelta(text) if text:
                return self._open_block("text", text_block()) + self._delta("text_delta", "text", text)
            case ReasoningDelta(text) if text and self._shows_thinking:
                opened = self._open_block("thinking", thinking_block())
                return opened + self._delta("thinking_delta", "thinking", text)
            case ToolCallDelta(index, call_id, name, arguments):
                opened = self._open_block(f"tool_use {index}", tool_use_block(call_id, name))
                return opened + (self._delta("input_json_delta", "partial_json", arguments) if arguments else b"")
            case _:
                return b""

    def _open_block(self, name: str, block: Mapping[str, Any]) -> bytes:
        """Return the events that lead to the block of this name: none if it is open."""
        if self._open == name:
            return b""
        closed = self._close_block()
        self._open, self._index = name, self._index + 1
        return closed + encode({"type": "content_block_start", "index": self._index, "content_block": block})

    def _close_block(self) -> bytes:
        if not self._open:
            return b""
        signed = self._delta("signature_delta", "signature", SIGNATURE) if self._open == "thinking" else b""
        self._open = ""
        return signed + encode({"type": "content_block_stop", "index": self._index})

    def _delta(self, kind: str, field: str, value: str) -> bytes:
        return encode({"type": "content_block_delta", "index": self._index, "delta": {"type": kind, field: value}})
