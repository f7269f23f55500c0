"""Any message is an event, or has an error that says why not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openai_compat.api.realtime.client_events import INLINE_PARSE_CHARACTERS, read_event


@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
@example('{"type": "\\ud800"}')
@example('{"event_id": 5}')
@example("1e999")
async def test_any_text_is_read(text: str) -> None:
    event = await read_event({"type": "websocket.receive", "text": text})

    assert event.error is None or event.error.code == "invalid_json"
    assert isinstance(event.type, str)
    assert event.id is None or isinstance(event.id, str)


@pytest.mark.parametrize("size", [10, INLINE_PARSE_CHARACTERS + 1])
async def test_a_long_event_is_read_as_a_short_one(size: int) -> None:
    event = await read_event({"type": "websocket.receive", "text": f'{{"type": "x", "audio": "{"A" * size}"}}'})

    assert (event.type, len(event.fields["audio"]), event.error) == ("x", size, None)


async def test_a_binary_message_is_none() -> None:
    event = await read_event({"type": "websocket.receive", "bytes": b"{}"})

    assert event.error is not None
    assert "base64" in event.error.message
