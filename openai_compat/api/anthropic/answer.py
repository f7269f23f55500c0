"""An answer of a model as Anthropic's message."""

import json
from dataclasses import dataclass
from typing import Any

from model_runtime.events import ChatResult, Finished
from model_runtime.requests import ToolCall
from openai_compat.api.anthropic.body import MessagesBody
from openai_compat.api.generation import senses_fields

SIGNATURE = "unsigned"
"""Of thinking: Anthropic's own signatures prove that nobody has changed it. Clients require one."""
NO_USAGE = {"input_tokens": 0, "output_tokens": 0}
"""At the start of a stream, when nothing is counted yet. The end has the totals."""


@dataclass(frozen=True, slots=True)
class MessageBuilder:
    """Builds the message and its parts. `model` is the name that the client used; `warnings` come before those
    of the model."""

    id: str
    model: str
    body: MessagesBody
    warnings: tuple[str, ...]

    def message(self, content: list[dict[str, Any]], usage: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Return a message; without more fields it has not ended."""
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
            **fields,
        }

    def whole_message(self, finished: Finished, result: ChatResult) -> dict[str, Any]:
        """Return the message that has everything."""
        fields = self.stop(result) | {"senses": self.senses(finished, result)}
        return self.message(self.content(result), usage_json(result), **fields)

    def content(self, result: ChatResult) -> list[dict[str, Any]]:
        """Return the blocks of an answer: what was thought, the text, the calls of tools."""
        shows_thinking = self.body.thinking.is_shown and result.reasoning
        return [
            *([{**thinking_block(result.reasoning), "signature": SIGNATURE}] if shows_thinking else ()),
            *([text_block(result.text)] if result.text else ()),
            *(tool_use_block(call.id, call.name) | {"input": tool_input(call)} for call in result.tool_calls),
        ]

    def stop(self, result: ChatResult) -> dict[str, Any]:
        """Return why the answer ended."""
        return {"stop_reason": self._stop_reason(result), "stop_sequence": result.stop_sequence or None}

    def senses(self, finished: Finished, result: ChatResult) -> dict[str, Any]:
        """Return our field of the answer."""
        return senses_fields(finished, (*self.warnings, *self._thinking_warnings(result)))

    def _stop_reason(self, result: ChatResult) -> str:
        if result.finish_reason == "length":
            is_own_limit = result.completion_tokens >= self.body.max_tokens
            return "max_tokens" if is_own_limit else "model_context_window_exceeded"
        if result.finish_reason == "tool_calls":
            return "tool_use"
        return "stop_sequence" if result.stop_sequence else "end_turn"

    def _thinking_warnings(self, result: ChatResult) -> tuple[str, ...]:
        is_missing = self.body.thinking.type == "enabled" and not result.reasoning
        return ("thinking had no effect: the model that answered did not think aloud.",) if is_missing else ()


def text_block(text: str = "") -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": text, "citations": None}


def thinking_block(text: str = "") -> dict[str, Any]:
    """Return a block of thinking that is not signed yet."""
    return {"type": "thinking", "thinking": text, "signature": ""}


def tool_use_block(call_id: str, name: str) -> dict[str, Any]:
    """Return a call of a tool without its input."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def tool_input(call: ToolCall) -> Any:
    """Return the arguments of a call as an object."""
    return json.loads(call.arguments or "{}")


def usage_json(result: ChatResult) -> dict[str, Any]:
    """Return the token counts. Tokens of the prompt that were read before are counted apart, unlike in OpenAI's API."""
    return {
        "input_tokens": result.prompt_tokens - result.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": result.cached_tokens,
        "output_tokens": result.completion_tokens,
        "output_tokens_details": {"thinking_tokens": result.reasoning_tokens},
    }
