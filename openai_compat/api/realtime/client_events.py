"""The events that a client sends."""

from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from pydantic_core import from_json
from starlette.types import Message

from model_runtime.errors import InvalidInput
from openai_compat.http.json_counter import JsonValueCounter

MAX_EVENT_VALUES = 10_000
"""JSON values of one event."""
INLINE_PARSE_CHARACTERS = 256_000
"""Shorter events are parsed on the event loop, because a switch to a thread takes longer."""


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One event: its fields, type and id. An event that cannot be read has an error instead."""

    fields: dict[str, Any]
    error: InvalidInput | None = None

    @property
    def type(self) -> str:
        """What the event asks for; "" if it does not say."""
        return str(self.fields.get("type", ""))

    @property
    def id(self) -> str | None:
        """The client's name of the event, which an error repeats."""
        event_id = self.fields.get("event_id")
        return event_id[:512] if isinstance(event_id, str) else None


async def read_event(message: Message) -> ClientEvent:
    """Read a message of a WebSocket."""
    text = message.get("text")
    if text is None:
        return _unreadable("A binary message came. Send events as JSON text, with sound in base64.")
    if len(text) <= INLINE_PARSE_CHARACTERS:
        return _parse(text)
    return await to_thread.run_sync(_parse, text)


def _parse(text: str) -> ClientEvent:
    if JsonValueCounter().feed(text.encode()) > MAX_EVENT_VALUES:
        return _unreadable(f"The event has more than {MAX_EVENT_VALUES} JSON values. Send a smaller one.")
    try:
        fields = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        return _unreadable(f"The event is not JSON: {error}.")
    if not isinstance(fields, dict):
        return _unreadable("An event must be a JSON object.")
    return ClientEvent(fields)


def _unreadable(reason: str) -> ClientEvent:
    return ClientEvent({}, InvalidInput(reason, code="invalid_json"))
