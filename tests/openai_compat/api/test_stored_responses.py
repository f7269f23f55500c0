"""Responses that are kept: continued, returned, listed and forgotten, through OpenAI's client."""

import base64
from typing import Any

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from model_runtime.errors import JobFailed
from model_runtime.events import ChatResult, ReasoningDelta, TextDelta, ToolCallDelta
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, ToolCall
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.response_history import ResponseHistory
from openai_compat.api.response_store import ResponseStore
from openai_compat.api.responses import ResponsesEndpoint
from openai_compat.http.uploads import UploadMiddleware
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, wait_until, wait_until_cancelled

ANSWER = "A red circle on a white background."


def turns(service: FakeService) -> list[tuple[str, tuple[str | ImageData, ...]]]:
    """Return the turns of the last chat that the runtime received."""
    chat = service.requests[-1]
    assert isinstance(chat, Chat)
    return [(message.role, message.content) for message in chat.messages]


@pytest.mark.promise("openai:responses-kept")
async def test_a_response_continues_an_earlier_one_without_its_instructions(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    first = await sdk.responses.create(model="", input="Hello", instructions="Be short.")
    second = await sdk.responses.create(model="", input="And then?", previous_response_id=first.id)
    third = await sdk.responses.create(
        model="", input="More", previous_response_id=second.id, instructions="Be long.", stream=True
    )
    events = [event async for event in third]

    assert turns(service) == [
        ("system", ("Be long.",)),
        ("user", ("Hello",)),
        ("assistant", (ANSWER,)),
        ("user", ("And then?",)),
        ("assistant", (ANSWER,)),
        ("user", ("More",)),
    ]
    assert second.previous_response_id == first.id
    assert events[-1].type == "response.completed"
    assert events[-1].response.previous_response_id == second.id


@pytest.mark.promise("openai:responses-kept")
async def test_a_conversation_forks_at_any_response(sdk: AsyncOpenAI, service: FakeService) -> None:
    first = await sdk.responses.create(model="", input="Hello")
    await sdk.responses.create(model="", input="One way", previous_response_id=first.id)

    await sdk.responses.create(model="", input="Another way", previous_response_id=first.id)

    assert [content for role, content in turns(service) if role == "user"] == [("Hello",), ("Another way",)]


@pytest.mark.promise("openai:responses-kept")
async def test_pictures_and_calls_of_tools_come_back_with_the_next_turn(
    sdk: AsyncOpenAI, service: FakeService, png: bytes
) -> None:
    service.chat_events = (
        ReasoningDelta("Hm."),
        ToolCallDelta(0, "call_1", "look"),
        ToolCallDelta(0, arguments='{"at": 1}'),
        ToolCallDelta(1, "call_2", "wait"),
    )
    calls = (ToolCall("call_1", "look", '{"at": 1}'), ToolCall("call_2", "wait", ""))
    service.chat_result = ChatResult("", "tool_calls", 12, 9, tool_calls=calls, reasoning="Hm.")
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    first = await sdk.responses.create(
        model="",
        input=[{"role": "user", "content": [{"type": "input_image", "detail": "auto", "image_url": picture}]}],
        tools=[{"type": "function", "name": name, "parameters": {}, "strict": False} for name in ("look", "wait")],
    )
    output = [(item.type, getattr(item, "call_id", "")) for item in first.output]
    results: Any = [{"type": "function_call_output", "call_id": call.id, "output": "done"} for call in calls]
    await sdk.responses.create(model="", input=results, previous_response_id=first.id)

    assert output == [("reasoning", ""), ("function_call", "call_1"), ("function_call", "call_2")]
    chat = service.requests[-1]
    assert isinstance(chat, Chat)
    assert [message.role for message in chat.messages] == ["user", "assistant", "tool", "tool"]
    assert chat.messages[0].content == (ImageData(8, 6, b"\xff\0\0" * 48),)
    assert chat.messages[1].tool_calls == calls
    assert [message.tool_call_id for message in chat.messages[2:]] == ["call_1", "call_2"]


@pytest.mark.promise("openai:responses-kept")
async def test_an_item_may_be_named_instead_of_sent(sdk: AsyncOpenAI, service: FakeService) -> None:
    first = await sdk.responses.create(model="", input="Hello")
    reference: Any = {"type": "item_reference", "id": first.output[0].id}
    asked: Any = [{"role": "user", "content": "Hello"}, reference, {"role": "user", "content": "And?"}]

    await sdk.responses.create(model="", input=asked)
    alone = turns(service)
    bare_reference: Any = {"id": first.output[0].id}
    await sdk.responses.create(model="", input=[bare_reference, asked[-1]], previous_response_id=first.id)

    assert alone == turns(service) == [("user", ("Hello",)), ("assistant", (ANSWER,)), ("user", ("And?",))]


@pytest.mark.promise("openai:responses-kept")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_kept_response_is_returned_as_it_was_answered(sdk: AsyncOpenAI, *, stream: bool) -> None:
    if stream:
        events = [event async for event in await sdk.responses.create(model="", input="Hello", stream=True)]
        assert events[-1].type == "response.completed"
        answered = events[-1].response
    else:
        answered = await sdk.responses.create(model="", input="Hello", metadata={"topic": "shapes"})

    assert await sdk.responses.retrieve(answered.id) == answered


@pytest.mark.promise("openai:responses-kept")
async def test_what_a_response_was_asked_with_is_listed_by_pages(sdk: AsyncOpenAI, png: bytes) -> None:
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    asked: Any = [
        {
            "role": "user",
            "content": [{"type": "input_image", "image_url": picture}, {"type": "input_text", "text": "?"}],
        },
        {"role": "assistant", "content": "A circle."},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "a cat"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "developer", "content": "Be kind."},
    ]
    response = await sdk.responses.create(model="", input=asked)

    first_page = await sdk.responses.input_items.list(response.id, order="asc", limit=2)
    everything = [item async for item in sdk.responses.input_items.list(response.id, order="asc", limit=2)]
    newest = await sdk.responses.input_items.list(response.id, limit=1)

    assert [item.type for item in everything] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "message",
    ]
    assert [item.id for item in first_page.data] == [item.id for item in everything[:2]]
    assert [item.id for item in newest.data] == [everything[-1].id]
    assert everything[0].to_dict()["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": picture},
        {"type": "input_text", "text": "?"},
    ]


async def test_an_item_with_an_id_that_is_no_text_gets_one(http: httpx2.AsyncClient) -> None:
    asked = [{"role": "user", "content": "Hello", "id": {"no": "text"}}, {"role": "user", "content": "?", "id": ""}]
    first = (await http.post("/v1/responses", json={"input": asked})).json()
    second = await http.post("/v1/responses", json={"input": "And?", "previous_response_id": first["id"]})

    items = (await http.get(f"/v1/responses/{first['id']}/input_items")).json()["data"]

    assert second.status_code == 200
    assert [item["id"][:4] for item in items] == ["msg_", "msg_"]


@pytest.mark.promise("openai:responses-kept")
async def test_what_is_listed_includes_the_earlier_conversation(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="", input="Hello")
    second = await sdk.responses.create(model="", input="And?", previous_response_id=first.id)

    items = [item async for item in sdk.responses.input_items.list(second.id, order="asc")]

    assert [item.to_dict()["role"] for item in items] == ["user", "assistant", "user"]
    assert items[1].id == first.output[0].id


@pytest.mark.promise("openai:responses-kept")
async def test_a_response_is_forgotten_on_demand(sdk: AsyncOpenAI) -> None:
    response = await sdk.responses.create(model="", input="Hello")

    await sdk.responses.delete(response.id)

    with pytest.raises(openai.NotFoundError, match="Senses keeps the 1000 responses .* 0 are kept now. Send the whole"):
        await sdk.responses.retrieve(response.id)


@pytest.mark.promise("openai:responses-kept")
async def test_with_store_false_nothing_is_kept(sdk: AsyncOpenAI) -> None:
    response = await sdk.responses.create(model="", input="Hello", store=False)

    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(response.id)


@pytest.mark.promise("openai:responses-kept")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_x"),
        ("DELETE", "/v1/responses/resp_x"),
        ("GET", "/v1/responses/resp_x/input_items"),
        ("POST", "/v1/responses/resp_x/cancel"),
    ],
)
async def test_an_id_that_is_not_kept_is_told_with_what_to_do(http: httpx2.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "response_not_found"
    assert "There is no response 'resp_x'" in answer.json()["error"]["message"]
    assert "Send the whole conversation as `input`" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (
            {"input": "hi", "previous_response_id": "resp_x"},
            400,
            "previous_response_not_found",
            "previous_response_id",
        ),
        ({"input": [{"type": "item_reference", "id": "msg_x"}]}, 404, "response_not_found", "input"),
    ],
)
async def test_nothing_runs_for_a_conversation_that_is_not_kept(
    http: httpx2.AsyncClient, service: FakeService, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = await http.post("/v1/responses", json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"], service.requests) == (status, code, param, [])
    assert "0 are kept now" in answer.json()["error"]["message"]


async def test_a_response_that_is_being_written_is_returned_as_that(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.gate = anyio.Event()
    async with http.stream("POST", "/v1/responses", json={"input": "hi", "stream": True}) as stream:
        await wait_until(lambda: service.requests)
        lines = stream.aiter_lines()
        response_id = await anext(line.partition('"id":"')[2][:29] async for line in lines if "resp_" in line)

        shown = await http.get(f"/v1/responses/{response_id}")
        continued = await http.post("/v1/responses", json={"input": "hi", "previous_response_id": response_id})
        cancelled = await http.post(f"/v1/responses/{response_id}/cancel")
        service.gate.set()
        async for _ in lines:
            pass

    assert shown.json()["status"] == "in_progress"
    assert (continued.status_code, cancelled.status_code) == (400, 400)
    assert "is still being written" in continued.json()["error"]["message"]
    assert "Cannot cancel a synchronous response." in cancelled.json()["error"]["message"]
    assert (await http.get(f"/v1/responses/{response_id}")).json()["status"] == "completed"


@pytest.mark.promise("openai:leaving")
@pytest.mark.parametrize("stream", [False, True])
async def test_of_a_response_whose_client_left_nothing_is_kept(
    http: httpx2.AsyncClient, service: FakeService, *, stream: bool
) -> None:
    service.gate = anyio.Event()

    async def ask() -> None:
        await http.post("/v1/responses", json={"input": "hi", "stream": stream})

    await disconnect_while_waiting(service, ask)
    await wait_until_cancelled(service)

    assert "0 are kept now" in (await http.get("/v1/responses/resp_x")).json()["error"]["message"]


async def test_of_a_response_that_failed_nothing_is_kept(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.error_after_first_event = JobFailed("The model broke.")

    await http.post("/v1/responses", json={"input": "hi"})

    assert "0 are kept now" in (await http.get("/v1/responses/resp_x")).json()["error"]["message"]


async def test_a_response_that_cannot_be_kept_says_so(service: FakeService) -> None:
    history = ResponseHistory(ResponseStore(capacity_bytes=100))
    routes = ResponsesEndpoint(service, ImageInputs(service.media), history).routes()
    app = Starlette(routes=routes, middleware=[Middleware(UploadMiddleware)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        response = (await client.post("/v1/responses", json={"input": "hi"})).json()

    assert response["status"] == "completed"
    assert "This response is not kept" in response["senses"]["warnings"][-1]
    assert len(history.store) == 0


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("?stream=true", "stream is not supported"),
        ("?starting_after=3", "starting_after is not supported"),
        ("/input_items?limit=0", "limit is '0'"),
        ("/input_items?limit=101", "limit is '101'"),
        ("/input_items?order=up", "order is 'up'"),
        ("/input_items?after=msg_x", "after names no item"),
    ],
)
async def test_a_parameter_that_cannot_be_honoured_is_refused(
    http: httpx2.AsyncClient, path: str, sentence: str
) -> None:
    response = (await http.post("/v1/responses", json={"input": "hi"})).json()

    answer = await http.get(f"/v1/responses/{response['id']}{path}")

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]


async def test_the_texts_of_a_stream_are_those_of_the_kept_response(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.chat_events = (TextDelta("Wait. "), ToolCallDelta(0, "call_1", "look"), TextDelta("Done."))
    service.chat_result = ChatResult("Wait. Done.", "tool_calls", 1, 2, tool_calls=(ToolCall("call_1", "look", ""),))

    events = [event async for event in await sdk.responses.create(model="", input="Hello", stream=True)]

    assert events[-1].type == "response.completed"
    kept = await sdk.responses.retrieve(events[-1].response.id)
    assert [item.type for item in kept.output] == ["message", "function_call", "message"]
    assert kept.output_text == "Wait. Done."
