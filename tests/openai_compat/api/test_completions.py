"""Texts that are continued, through OpenAI's client."""

import json

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.requests import Chat, Message
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, wait_until_cancelled

ANSWER = "A red circle on a white background."


def received(service: FakeService) -> list[Chat]:
    """Return the chats that the runtime received."""
    return [request for request in service.requests if isinstance(request, Chat)]


@pytest.mark.promise("openai:completions")
async def test_the_official_client_continues_a_text(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.completions.create(
        model="fast", prompt="Once <|x|>", max_tokens=9, stop=["END"], seed=3, temperature=0.5, logit_bias={"7": 1}
    )

    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason, choice.index, choice.logprobs) == (ANSWER, "stop", 0, None)
    assert (answer.object, answer.model) == ("text_completion", "fast")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 3, 15)
    (chat,) = received(service)
    assert (chat.messages, chat.is_raw) == ((Message("user", ("Once <|x|>",)),), True)
    assert (chat.max_tokens, chat.stop, chat.seed, chat.temperature, chat.logit_bias) == (
        9,
        ("END",),
        3,
        0.5,
        ((7, 1),),
    )


@pytest.mark.promise("openai:completions")
async def test_without_a_limit_and_a_temperature_a_completion_has_openais(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    await sdk.completions.create(model="", prompt="Once")

    assert [(chat.max_tokens, chat.temperature) for chat in received(service)] == [(16, 1.0)]


@pytest.mark.promise("openai:completions")
async def test_prompts_have_their_answers_in_order_and_may_be_echoed(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.completions.create(model="", prompt=["a ", "b "], n=2, echo=True, seed=5)

    assert [choice.text for choice in answer.choices] == ["a " + ANSWER] * 2 + ["b " + ANSWER] * 2
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (24, 12)
    assert sorted(chat.seed or 0 for chat in received(service)) == [5, 5, 6, 6]


@pytest.mark.promise("openai:completions")
async def test_a_completion_streams(http: httpx2.AsyncClient) -> None:
    body = {"prompt": "a ", "n": 2, "echo": True, "stream": True, "stream_options": {"include_usage": True}}
    lines = (await http.post("/v1/completions", json=body)).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    for index in range(2):
        own = [choice for choice in choices if choice["index"] == index]
        assert "".join(choice["text"] for choice in own) == "a " + ANSWER
        assert [choice["finish_reason"] for choice in own] == [None] * (len(own) - 1) + ["stop"]
    assert len({(chunk["id"], chunk["created"], chunk["object"]) for chunk in chunks}) == 1
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 18)
    assert lines[-2] == "data: [DONE]"


@pytest.mark.promise("openai:logprobs")
@pytest.mark.parametrize("count", [0, 2])
async def test_log_probabilities_are_in_the_form_of_completions(
    sdk: AsyncOpenAI, service: FakeService, count: int
) -> None:
    answer = await sdk.completions.create(model="", prompt="a ", logprobs=count)

    assert [chat.top_logprobs for chat in received(service)] == [count]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["A red ", "circle on a ", "white background."]
    assert logprobs.token_logprobs == [-0.5] * 3
    assert logprobs.text_offset == [0, 6, 18]
    assert logprobs.top_logprobs is not None
    assert logprobs.top_logprobs[0] == {"A red ": -0.5, "A red 0": -1.0, "A red 1": -2.0} if count else {"A red ": -0.5}


@pytest.mark.promise("openai:logprobs")
async def test_streamed_log_probabilities_are_those_of_the_whole_answer(http: httpx2.AsyncClient) -> None:
    body = {"prompt": "a ", "logprobs": 1}
    whole = (await http.post("/v1/completions", json=body)).json()["choices"][0]["logprobs"]
    lines = (await http.post("/v1/completions", json=body | {"stream": True})).text.splitlines()

    parts = [json.loads(line[6:])["choices"][0]["logprobs"] for line in lines if line.startswith("data: {")]

    assert whole == {name: [one for part in parts if part for one in part[name]] for name in whole}


async def test_the_official_client_reads_the_stream(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        stream = await client.completions.create(model="", prompt="a", stream=True)
        text = "".join([chunk.choices[0].text async for chunk in stream])

    assert text == ANSWER


async def test_a_chunk_in_the_middle_has_no_reason_although_openais_type_wants_one(sdk: AsyncOpenAI) -> None:
    """OpenAI's own streams have null there, and clients take any of the type's reasons for the end of the answer."""
    stream = await sdk.completions.create(model="", prompt="a", stream=True)

    with pytest.raises(openai.APIResponseValidationError, match="invalid for expected schema"):
        await anext(stream)


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"logprobs": 0, "echo": True}, "logprobs with echo is not supported"),
        ({"logprobs": 21}, "logprobs is 21"),
        ({"suffix": "end"}, "suffix is not supported"),
        ({"best_of": 3}, "best_of is not supported"),
        ({"prompt": [1, 2]}, "token ids is not supported"),
        ({"prompt": [[1]]}, "token ids is not supported"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt is missing"),
        ({"prompt": ["a", "b"], "n": 9}, "2 prompts with n 9 are more than 16 answers"),
        ({"n": 17}, "n is 17"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], sentence: str
) -> None:
    answer = await http.post("/v1/completions", json={"prompt": "a"} | change)

    assert (answer.status_code, service.requests) == (400, [])
    assert sentence in answer.json()["error"]["message"]


async def test_a_model_of_another_task_is_refused(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Send image to /v1/images/generations"):
        await sdk.completions.create(model="image-starter", prompt="a")


@pytest.mark.promise("openai:leaving")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_its_completion(
    http: httpx2.AsyncClient, service: FakeService, *, stream: bool
) -> None:
    service.gate = anyio.Event()

    async def ask() -> None:
        await http.post("/v1/completions", json={"prompt": "a", "stream": stream})

    await disconnect_while_waiting(service, ask)

    await wait_until_cancelled(service)
