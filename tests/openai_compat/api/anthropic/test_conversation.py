"""Conversations of Anthropic's clients as the model is told of them."""

import base64
from typing import Any

import httpx2
import pytest

from model_runtime.media.types import ImageData
from model_runtime.requests import Message, ToolCall
from tests.fakes import FakeService
from tests.openai_compat.api.anthropic.answers import received_chat

RED = ImageData(8, 6, b"\xff\0\0" * 48)
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "a cät"}}
LOOKED = ToolCall("toolu_1", "look", '{"at": "a cät"}')


@pytest.fixture
def picture(png: bytes) -> dict[str, object]:
    """A picture as a block."""
    data = base64.b64encode(png).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


async def told(http: httpx2.AsyncClient, service: FakeService, messages: list[Any], **fields: Any) -> list[Message]:
    """Send a conversation that goes on with "Go on.", and return what the model is told before that."""
    body = {"model": "auto", "max_tokens": 9, "messages": [*messages, {"role": "user", "content": "Go on."}], **fields}
    answer = await http.post("/v1/messages", json=body)
    assert answer.status_code == 200, answer.text
    *earlier, last = received_chat(service).messages
    assert last.content[-1] == "Go on."
    return [*earlier, *([Message("user", last.content[:-1])] if len(last.content) > 1 else [])]


@pytest.mark.promise("anthropic:tools")
async def test_calls_of_tools_and_their_results_reach_the_model(http: httpx2.AsyncClient, service: FakeService) -> None:
    turns = await told(
        http,
        service,
        [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "I should look.", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "I look."},
                    CALL,
                    {**CALL, "id": "toolu_2"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "A cat."},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_2",
                        "content": [{"type": "text", "text": "It is dark."}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    )

    assert turns == [
        Message("user", ("Look.",)),
        Message("assistant", ("I look.",), (LOOKED, ToolCall("toolu_2", "look", LOOKED.arguments))),
        Message("tool", ("A cat.",), tool_call_id="toolu_1"),
        Message("tool", ("Error: It is dark.",), tool_call_id="toolu_2"),
        Message("user", ("And?",)),
    ]


@pytest.mark.promise("anthropic:tools")
async def test_a_picture_that_a_tool_returns_is_seen_after_its_result(
    http: httpx2.AsyncClient, service: FakeService, picture: dict[str, object]
) -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "One picture."}, picture],
    }

    turns = await told(http, service, [{"role": "assistant", "content": [CALL]}, {"role": "user", "content": [result]}])

    assert turns == [
        Message("assistant", (), (LOOKED,)),
        Message("tool", ("One picture.",), tool_call_id="toolu_1"),
        Message("user", (RED,)),
    ]


async def test_a_tool_without_a_word_still_answers(http: httpx2.AsyncClient, service: FakeService) -> None:
    result = {"type": "tool_result", "tool_use_id": "toolu_1"}

    turns = await told(http, service, [{"role": "assistant", "content": [CALL]}, {"role": "user", "content": [result]}])

    assert turns[1] == Message("tool", ("",), tool_call_id="toolu_1")


async def test_turns_of_one_role_in_a_row_are_one(http: httpx2.AsyncClient, service: FakeService) -> None:
    turns = await told(
        http,
        service,
        [
            {"role": "user", "content": "One."},
            {"role": "user", "content": [{"type": "text", "text": "Two."}, {"type": "text", "text": ""}]},
            {"role": "assistant", "content": "Three."},
            {"role": "assistant", "content": [CALL]},
        ],
        system="Be short.",
    )

    assert turns == [
        Message("system", ("Be short.",)),
        Message("user", ("One.", "Two.")),
        Message("assistant", ("Three.",), (LOOKED,)),
    ]


async def test_a_turn_of_thoughts_alone_is_left_out(http: httpx2.AsyncClient, service: FakeService) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}

    turns = await told(
        http, service, [{"role": "user", "content": "One."}, {"role": "assistant", "content": [thought]}]
    )

    assert turns == [Message("user", ("One.",))]


async def test_an_instruction_in_the_middle_stays_there(http: httpx2.AsyncClient, service: FakeService) -> None:
    turns = await told(
        http,
        service,
        [
            {"role": "user", "content": "One."},
            {"role": "assistant", "content": "Two."},
            {"role": "system", "content": "Be brief from now on."},
        ],
    )

    assert turns[-1] == Message("system", ("Be brief from now on.",))


@pytest.mark.parametrize(
    ("block", "texts"),
    [
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "It rains."}},
            ("It rains.",),
        ),
        (
            {
                "type": "document",
                "title": "Weather",
                "context": "Of today.",
                "source": {"type": "content", "content": "It rains."},
            },
            ("Weather", "Of today.", "It rains."),
        ),
        (
            {
                "type": "search_result",
                "title": "Weather",
                "source": "https://x.example",
                "content": [{"type": "text", "text": "It rains."}],
            },
            ("Weather\nhttps://x.example", "It rains."),
        ),
    ],
)
async def test_documents_are_read_as_text(
    http: httpx2.AsyncClient, service: FakeService, block: dict[str, object], texts: tuple[str, ...]
) -> None:
    assert await told(http, service, [{"role": "user", "content": [block]}]) == [Message("user", texts)]


async def test_a_document_holds_pictures_too(
    http: httpx2.AsyncClient, service: FakeService, picture: dict[str, object]
) -> None:
    pages = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "1"}, picture]}}

    assert await told(http, service, [{"role": "user", "content": [pages]}]) == [Message("user", ("1", RED))]


async def test_a_tool_that_a_search_found_is_named(http: httpx2.AsyncClient, service: FakeService) -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "tool_reference", "tool_name": "weather"}],
    }

    turns = await told(http, service, [{"role": "assistant", "content": [CALL]}, {"role": "user", "content": [result]}])

    assert turns[1] == Message("tool", ("weather",), tool_call_id="toolu_1")


async def test_more_pictures_than_the_limit_are_refused(
    http: httpx2.AsyncClient, service: FakeService, picture: dict[str, object]
) -> None:
    messages = [{"role": "user", "content": [picture] * 17}]

    answer = await http.post("/v1/messages", json={"model": "auto", "max_tokens": 9, "messages": messages})

    assert answer.status_code == 400
    assert "more than 16 images" in answer.json()["error"]["message"]
