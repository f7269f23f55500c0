"""Embeddings, through OpenAI's client."""

import base64
import json
import struct

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.errors import ModelMissing
from model_runtime.events import EmbeddingResult, Finished, Timings
from model_runtime.requests import Embed
from openai_compat.api.embeddings import EmbeddingsBody, render_embeddings
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, wait_until_cancelled


@pytest.mark.promise("openai:embeddings")
@pytest.mark.parametrize("model", ["embed-small", "text-embedding-3-small", "text-embedding-3-large", ""])
async def test_the_official_client_embeds_one_text_or_several(
    sdk: AsyncOpenAI, url: str, service: FakeService, model: str
) -> None:
    # it asks for base64 by itself, and its own types do not know that before it has decoded it
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as lenient:
        one = await lenient.embeddings.create(model=model, input="dog")
    several = await sdk.embeddings.create(model=model, input=["dog", "horse"], encoding_format="float")

    assert [vector.embedding for vector in one.data] == [[3.0, 0.0, 0.0, 0.0]]
    assert [vector.embedding[0] for vector in several.data] == [3.0, 5.0]
    assert [vector.index for vector in several.data] == [0, 1]
    assert (several.usage.prompt_tokens, several.usage.total_tokens) == (8, 8)
    assert several.model == (model or "embed-small")
    assert service.requests == [Embed("embed-small", ("dog",)), Embed("embed-small", ("dog", "horse"))]


@pytest.mark.promise("openai:embeddings")
async def test_vectors_come_as_base64_of_little_endian_floats(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/embeddings", json={"input": "horse", "encoding_format": "base64", "dimensions": 2})

    (vector,) = answer.json()["data"]
    assert struct.unpack("<2f", base64.b64decode(vector["embedding"])) == (5.0, 0.0)
    assert answer.json()["senses"]["dimensions"] == 2
    assert answer.headers["content-type"] == "application/json"


async def test_warnings_come_with_the_vectors(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.warnings = ("shortened",)

    answer = (await http.post("/v1/embeddings", json={"input": "dog"})).json()

    assert answer["senses"]["warnings"] == ["shortened"]


@pytest.mark.promise("openai:embeddings")
@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"input": [1, 2, 3]}, "input", "check_embedding_ctx_length=False"),
        ({"input": [[1, 2], [3]]}, "input", "token ids is not supported. Send texts"),
        ({"input": []}, "input", "at least 1"),
        ({"input": ["x"] * 2049}, "input", "2049 texts are more than the limit of 2048"),
        ({"input": {"text": "dog"}}, "input", "list"),
        ({"dimensions": 0}, "dimensions", "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format", "base64"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], param: str, words: str
) -> None:
    answer = await http.post("/v1/embeddings", json={"input": "dog"} | change)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert words in error["message"]
    assert service.requests == []


@pytest.mark.promise("openai:embeddings")
async def test_a_chat_to_an_embedding_model_and_a_text_to_a_chat_model_name_the_endpoint(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Send embedding to /v1/embeddings"):
        await sdk.chat.completions.create(model="embed-small", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(openai.BadRequestError, match="Send vision to /v1/chat/completions"):
        await sdk.embeddings.create(model="vlm-starter", input="hi")


async def test_a_missing_model_is_told_with_its_command(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.error = ModelMissing("embed-small", 1_210_000_000, "senses pull embed-small")

    with pytest.raises(openai.NotFoundError, match=r"1\.2 GB.*senses pull embed-small"):
        await sdk.embeddings.create(model="text-embedding-ada-002", input="hi")


async def test_a_client_that_leaves_ends_the_work(http: httpx2.AsyncClient, service: FakeService) -> None:
    import anyio

    service.gate = anyio.Event()

    await disconnect_while_waiting(service, lambda: http.post("/v1/embeddings", json={"input": "dog"}))

    await wait_until_cancelled(service)


def test_many_vectors_are_one_json_object() -> None:
    vectors = struct.pack("<6f", *range(6))
    finished = Finished("m", EmbeddingResult(vectors, 2, 9), Timings(0, 0, 0))

    answer = json.loads(
        render_embeddings(finished, EmbeddingResult(vectors, 2, 9), EmbeddingsBody.model_validate({"input": "a"}))
    )

    assert [one["embedding"] for one in answer["data"]] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert [one["index"] for one in answer["data"]] == [0, 1, 2]
    assert (answer["object"], answer["model"], answer["usage"]["prompt_tokens"]) == ("list", "m", 9)
