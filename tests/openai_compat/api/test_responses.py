"""The stateless part of the Responses API, through OpenAI's client."""

import base64

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.errors import JobFailed
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat
from openai_compat.api.responses import output_text_part
from tests.fakes import FakeService

ANSWER = "A red circle on a white background."


def received_request(service: FakeService) -> Chat:
    """Return the one chat that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Chat)
    return request


@pytest.mark.promise("openai:responses")
async def test_the_official_client_gets_a_response(sdk: AsyncOpenAI, service: FakeService, png: bytes) -> None:
    answer = await sdk.responses.create(
        model="vlm-starter",
        instructions="Be short.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {
                        "type": "input_image",
                        "detail": "auto",
                        "image_url": f"data:image/png;base64,{base64.b64encode(png).decode()}",
                    },
                ],
            }
        ],
        max_output_tokens=9,
    )

    assert answer.output_text == ANSWER
    assert answer.status == "completed"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 3)
    assert answer.usage.input_tokens_details.cached_tokens == 5
    chat = received_request(service)
    assert [message.role for message in chat.messages] == ["system", "user"]
    assert chat.messages[1].content == ("What is this?", ImageData(8, 6, b"\xff\0\0" * 48))
    assert chat.max_tokens == 9


@pytest.mark.promise("openai:responses")
async def test_a_response_streams_as_numbered_events(sdk: AsyncOpenAI) -> None:
    stream = await sdk.responses.create(model="fast", input="hi", stream=True)

    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(11))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == ANSWER
    assert events[0].type == "response.created"
    assert events[0].response.created_at == events[-1].response.created_at
    assert events[-1].response.model_extra is not None
    assert events[-1].response.model_extra["senses"]["starter"] is True


async def test_earlier_turns_and_tool_calls_are_read(http: httpx2.AsyncClient, service: FakeService) -> None:
    items = [
        {"role": "user", "content": "look"},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "a cat"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
    ]

    answer = await http.post("/v1/responses", json={"input": items, "store": False, "tools": [{"type": "function"}]})

    assert answer.status_code == 200
    turns = [(message.role, message.content) for message in received_request(service).messages]
    assert turns == [
        ("user", ("look",)),
        ("assistant", ("look({})",)),
        ("tool", ("a cat",)),
        ("assistant", ("A cat.",)),
    ]


async def test_a_response_can_be_held_to_a_schema(http: httpx2.AsyncClient, service: FakeService) -> None:
    form = {"type": "json_schema", "name": "it", "schema": {"type": "object"}, "strict": True}

    answer = await http.post("/v1/responses", json={"input": "hi", "text": {"format": form}})

    assert received_request(service).json_schema == '{"type": "object"}'
    assert answer.json()["text"]["format"] == {"type": "json_schema", "name": "it", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"previous_response_id": "resp_1"}, "Send the whole conversation"),
        ({"background": True}, "background is not supported"),
        ({"tool_choice": "required"}, "tool_choice 'required'"),
        ({"input": []}, "input: "),
        ({"input": None}, "input is missing"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input_file"),
        ({"input": [7]}, "input[0]"),
    ],
)
async def test_what_needs_stored_state_is_refused(
    http: httpx2.AsyncClient, change: dict[str, object], sentence: str
) -> None:
    answer = await http.post("/v1/responses", json={"input": "hi"} | change)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]


async def test_a_response_that_fails_sends_its_error_to_the_client(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.error_after_first_event = JobFailed("The model broke.")
    stream = await sdk.responses.create(model="", input="hi", stream=True)

    with pytest.raises(openai.APIError, match="The model broke."):
        async for _ in stream:
            pass


def test_a_part_of_text_has_the_fields_that_clients_require() -> None:
    assert output_text_part("hi") == {"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}
