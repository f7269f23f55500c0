"""Items of /v1/responses: as messages of a chat, and in the form in which OpenAI lists them."""

import secrets
from collections.abc import Mapping
from typing import Any

from openai_compat.api.schemas import unsupported_error

PART_TYPES = {"input_text": "text", "output_text": "text", "input_image": "image_url"}
ID_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
SERVED_TYPES = ", ".join(ID_PREFIXES)


def to_items(value: object) -> object:
    """Return `input` as a list of items. Values of other shapes are unchanged, and the schema rejects them."""
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def new_item_id(item_type: str) -> str:
    """Return an id for an item of this type."""
    return f"{ID_PREFIXES.get(item_type, 'item')}_{secrets.token_hex(12)}"


def item_type(item: Mapping[str, Any]) -> str:
    """Return the type of an item. A message may have none."""
    return str(item.get("type") or "message")


def items_to_messages(value: object) -> object:
    """Return `input` as messages of a chat. What a model thought earlier is left out: no template reads it.

    Raises:
        PydanticCustomError: an item is of a type that Senses does not know.
    """
    items = to_items(value)
    if not isinstance(items, list):
        return items
    numbered = [(index, item) for index, item in enumerate(items) if not _is_reasoning(item)]
    return [_to_message(item, f"input[{index}]") for index, item in numbered]


def _is_reasoning(item: object) -> bool:
    return isinstance(item, dict) and item_type(item) == "reasoning"


def _to_message(item: object, place: str) -> object:
    if not isinstance(item, dict):
        return item
    match item_type(item):
        case "message":
            return {**item, "content": _to_chat_content(item.get("content"))}
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            return {"role": "assistant", "tool_calls": [{"id": item.get("call_id"), "function": function}]}
        case "function_call_output":
            content = _to_chat_content(item.get("output"))
            return {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}
        case other:
            raise unsupported_error(f"{place}, an item of type {other[:40]!r},", f"Send {SERVED_TYPES}.")


def _to_chat_content(content: object) -> object:
    return [_to_chat_part(part) for part in content] if isinstance(content, list) else content


def _to_chat_part(part: object) -> object:
    return {**part, "type": PART_TYPES.get(str(part.get("type")), part.get("type"))} if isinstance(part, dict) else part


def listed_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid item as OpenAI lists it: with an id, a type, a status, and content in parts."""
    kind = item_type(item)
    own_id = item.get("id")
    listed = {**item, "id": own_id if own_id and isinstance(own_id, str) else new_item_id(kind), "type": kind}
    if kind == "message":
        listed["content"] = _listed_content(item)
    if kind == "reasoning":
        return {"summary": [], **listed}
    return {"status": "completed", **listed}


def _listed_content(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    is_output = message.get("role") == "assistant"
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return [_listed_part(part, is_output=is_output) for part in parts]


def _listed_part(part: Mapping[str, Any], *, is_output: bool) -> dict[str, Any]:
    match PART_TYPES.get(str(part.get("type")), part.get("type")):
        case "text" if is_output:
            return output_text_part(str(part.get("text", "")))
        case "text":
            return {"type": "input_text", "text": part.get("text", "")}
        case "image_url":
            url = part.get("image_url")
            address = url.get("url") if isinstance(url, dict) else url
            return {"type": "input_image", "detail": part.get("detail") or "auto", "image_url": address}
        case _:
            return dict(part)


def output_text_part(text: str, logprobs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return a text of an answer as a content part."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}
