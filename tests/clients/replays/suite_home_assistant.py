"""What Home Assistant's integrations local_openai and openai_tts send, by their source."""

import json

import pytest

from tests.clients.given import SCRIPTED_ANSWER
from tests.clients.replays.program import HELLO, Program, text_of, tool

HOME_ASSISTANT = Program({"http-referer": "https://github.com", "x-title": "Home Assistant"})


def test_home_assistant_talks_and_offers_what_it_can_do() -> None:
    body = {
        "model": "scripted",
        "temperature": 0.6,
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "You are a voice assistant for Home Assistant."},
            {"role": "user", "content": "Turn on the light in the kitchen"},
        ],
        "tools": [
            tool("HassTurnOn", name={"type": "string"}, area={"type": "string"}),
            tool("GetLiveContext"),
        ],
        "chat_template_kwargs": {"enable_thinking": False},
        "stream": True,
    }

    chunks = HOME_ASSISTANT.stream("/chat/completions", body)

    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert text_of(chunks) == SCRIPTED_ANSWER
    assert all(chunk["choices"] for chunk in chunks)


def test_home_assistant_asks_for_data() -> None:
    schema = {
        "type": "object",
        "properties": {"state": {"type": "string", "enum": ["on", "off"]}},
        "required": ["state"],
        "additionalProperties": False,
    }
    body = {
        "model": "random",
        "temperature": 0.6,
        "parallel_tool_calls": False,
        "messages": HELLO,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "light", "strict": True, "schema": schema},
        },
        "max_tokens": 60,
        "stream": True,
    }

    assert json.loads(text_of(HOME_ASSISTANT.stream("/chat/completions", body)))["state"] in ("on", "off")


@pytest.mark.parametrize(("kind", "media_type"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("opus", "audio/ogg")])
def test_home_assistant_speaks(kind: str, media_type: str) -> None:
    body = {"model": "tts-1", "input": "a red circle", "voice": "shimmer", "response_format": kind, "speed": 1.0}

    answer = HOME_ASSISTANT.send("/audio/speech", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


def test_home_assistant_is_given_calls_and_tells_what_they_did() -> None:
    turn_on = tool("HassTurnOn", area={"enum": ["Kitchen", "Office"]})
    body = {"model": "agent", "messages": HELLO, "tools": [turn_on], "max_tokens": 200, "stream": True}

    chunks = HOME_ASSISTANT.stream("/chat/completions", {**body, "tool_choice": "required"})
    deltas = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    deltas = [delta for delta in deltas if delta["index"] == 0]  # it may call twice
    arguments = "".join(delta["function"].get("arguments", "") for delta in deltas)
    call = {"id": deltas[0]["id"], "type": "function", "function": {"name": "HassTurnOn", "arguments": arguments}}
    told = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"success": True})}
    messages = [*HELLO, {"role": "assistant", "tool_calls": [call]}, told]

    assert json.loads(arguments)["area"] in ("Kitchen", "Office")
    assert text_of(HOME_ASSISTANT.stream("/chat/completions", {**body, "messages": messages})) == SCRIPTED_ANSWER
