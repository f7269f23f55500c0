"""The events that the server sends, with the fields that OpenAI's SDK reads (`openai/types/realtime`)."""

import secrets
from typing import Any

from model_runtime.errors import SensesError
from openai_compat.http.errors import envelope

ServerEvent = dict[str, Any]
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def new_id(prefix: str) -> str:
    """Return an id of OpenAI's form: item_…, event_… or sess_…."""
    return f"{prefix}_{secrets.token_hex(10)}"


def server_event(kind: str, **fields: Any) -> ServerEvent:
    """Return an event with an id of its own."""
    return {"type": kind, "event_id": new_id("event"), **fields}


def error_event(error: SensesError, client_event_id: str | None) -> ServerEvent:
    """Return the answer to an event of the client that was refused. The session goes on."""
    return server_event("error", error=envelope(error)["error"] | {"event_id": client_event_id})


def failed_event(item_id: str, error: SensesError) -> ServerEvent:
    """Return the event of a turn that could not be transcribed."""
    return server_event(f"{TRANSCRIPTION}.failed", item_id=item_id, content_index=0, error=envelope(error)["error"])


def delta_events(item_id: str, delta: str) -> list[ServerEvent]:
    """Return the event of the next words of a turn; none without words."""
    return [server_event(f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=0, delta=delta)] if delta else []


def commit_events(item_id: str, previous_item_id: str | None, *, beta: bool) -> list[ServerEvent]:
    """Return the events of a turn that has ended: its sound is an item of the conversation."""
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    kinds = ("conversation.item.created",) if beta else ("conversation.item.added", "conversation.item.done")
    place = {"previous_item_id": previous_item_id}
    return [
        server_event("input_audio_buffer.committed", item_id=item_id, **place),
        *(server_event(kind, item=item, **place) for kind in kinds),
    ]
