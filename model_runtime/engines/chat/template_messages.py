"""Tools, calls and results in the form that chat templates expect, which is OpenAI's with arguments as an object.

Source: https://huggingface.co/docs/transformers/chat_extras
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_runtime.catalog.tool_formats import ToolFormat
from model_runtime.engines.chat.special_tokens import SpecialTokens
from model_runtime.requests import Chat, Message, Tool, ToolCall


def template_tools(tools: Sequence[Tool], escape: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Return tools as a template expects them; `escape` makes control tokens in their texts plain text."""
    return [
        {
            "type": "function",
            "function": {
                "name": escape(tool.name),
                "description": escape(tool.description),
                "parameters": json.loads(escape(tool.parameters)) or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


@dataclass(frozen=True, slots=True)
class TemplateMessages:
    """Adds what messages have besides their content. `tool_format` is that of the model, None if it knows no tools."""

    tool_format: ToolFormat | None
    special_tokens: SpecialTokens

    def convert(self, chat: Chat, contents: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the messages of a chat with these contents, each as the template expects it."""
        names = {call.id: call.name for message in chat.messages for call in message.tool_calls}
        pairs = zip(chat.messages, contents, strict=True)
        if self.tool_format is None:
            return self._as_texts(pairs)
        return [
            {"role": message.role, "content": content, **self._fields(message, names)} for message, content in pairs
        ]

    def tools(self, chat: Chat) -> list[dict[str, Any]] | None:
        """Return the tools of a chat; None if it has none, or the model knows none."""
        if not chat.tools or self.tool_format is None:
            return None
        return template_tools(chat.tools, self.special_tokens.escape)

    def _fields(self, message: Message, names: Mapping[str, str]) -> dict[str, Any]:
        if message.tool_calls:
            return {"tool_calls": [self._call(call) for call in message.tool_calls]}
        if message.role == "tool":
            name = names.get(message.tool_call_id, "")
            named = {"name": self.special_tokens.escape(name)} if name else {}
            return {"tool_call_id": self._id(message.tool_call_id), **named}
        return {}

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = json_object(self.special_tokens.escape(call.arguments))
        function = {"name": self.special_tokens.escape(call.name), "arguments": arguments}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _id(self, call_id: str) -> str:
        """Return an id as long as the template wants: Mistral's refuses others than nine letters and digits."""
        length = self.tool_format.id_characters if self.tool_format else 0
        return hashlib.sha256(call_id.encode()).hexdigest()[:length] if length else self.special_tokens.escape(call_id)

    def _as_texts(self, pairs: Iterable[tuple[Message, Any]]) -> list[dict[str, Any]]:
        """Return messages for a template that knows no tools: calls are text, and results come from the user.

        Many such templates want user and assistant to take turns, so a result is one message with what follows it.
        """
        messages: list[dict[str, Any]] = []
        follows_result = False
        for message, content in pairs:
            calls = [self.special_tokens.escape(f"{call.name}({call.arguments})") for call in message.tool_calls]
            text = "\n".join(filter(None, [content, *calls])) if calls else content
            is_result = message.role == "tool"
            if follows_result and (is_result or message.role == "user") and isinstance(text, str):
                messages[-1]["content"] += f"\n{text}"
            else:
                messages.append({"role": "user" if is_result else message.role, "content": text})
            follows_result = is_result
        return messages


def json_object(text: str) -> dict[str, Any]:
    """Return the object in a JSON text; a text that has none is kept under the key "arguments"."""
    try:
        parsed = json.loads(text or "{}")
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"arguments": text}
