"""LiteLLM's tools, edits and embeddings."""

import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network

import litellm

from tests.clients.given import BASE_URL, KEY, MEDIA, SCRIPTED_ANSWER

GATEWAY: Any = {"api_base": BASE_URL, "api_key": KEY, "num_retries": 0, "max_retries": 0}
WEATHER: Any = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
ASK: Any = {
    "model": "openai/agent",
    "messages": [{"role": "user", "content": "Weather?"}],
    "tools": [{"type": "function", "function": WEATHER}],
    "max_tokens": 100,
    **GATEWAY,
}
NAMED = {"type": "function", "function": {"name": "weather"}}


def test_a_tool_is_called_and_its_result_is_read() -> None:
    called: Any = litellm.completion(**ASK, tool_choice=NAMED)
    message = called.choices[0].message
    told = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Sunny"}

    answer: Any = litellm.completion(**{**ASK, "messages": [*ASK["messages"], message, told]})

    assert json.loads(message.tool_calls[0].function.arguments)["city"] in ("Oslo", "Rome")
    assert called.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content == SCRIPTED_ANSWER


def test_a_call_is_streamed() -> None:
    chunks = list(litellm.completion(**ASK, tool_choice=NAMED, stream=True))
    built: Any = litellm.stream_chunk_builder(chunks)

    assert json.loads(built.choices[0].message.tool_calls[0].function.arguments)["city"] in ("Oslo", "Rome")


def test_a_picture_is_edited() -> None:
    with (MEDIA / "small.png").open("rb") as image:
        edited: Any = litellm.image_edit(model="openai/painter", image=image, prompt="red", size="64x64", **GATEWAY)

    assert edited.data[0].b64_json


def test_texts_have_embeddings() -> None:
    answer: Any = litellm.embedding(model="openai/embedder", input=["a red circle", "forty two"], **GATEWAY)

    assert [item["index"] for item in answer.data] == [0, 1]
