"""Lists of models and voices."""

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.errors import ModelMissing
from model_runtime.requests import Task
from tests.fakes import FakeService, model_status


@pytest.mark.promise("openai:models")
async def test_the_official_client_lists_what_can_answer_now(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.models = (
        model_status("org/own-model", Task.TEXT, default=False),
        *service.models,
        model_status("vlm-best", Task.VISION, present=False),
    )

    models = [model async for model in sdk.models.list()]

    assert [model.id for model in models] == [
        "vlm-starter",
        "image-starter",
        "stt-starter",
        "tts-starter",
        "org/own-model",
    ]


async def test_a_model_is_found_by_any_of_its_names(sdk: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    named = await sdk.models.retrieve("tts-starter")
    tier = await http.get("/v1/models/fast")
    with pytest.raises(openai.NotFoundError, match="no model 'org/none'") as refused:
        await sdk.models.retrieve("org/none")

    assert named.id == "tts-starter"
    assert tier.json()["id"] == "fast"
    assert refused.value.code == "model_not_found"


async def test_a_model_has_its_task_and_its_endpoints(http: httpx2.AsyncClient) -> None:
    model = (await http.get("/v1/models/image-starter")).json()

    assert model["type"] == "image"
    assert model["endpoints"] == ["/v1/images/generations", "/v1/images/edits"]
    assert model["starter"] is True
    assert (model["context_length"], model["capabilities"]) == (None, ["image"])


@pytest.mark.promise("openai:models")
async def test_a_model_tells_its_context_and_what_it_can_do(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.models = (
        model_status("words", Task.TEXT, context_tokens=8192),
        model_status("eyes", Task.VISION, context_tokens=2048, abilities=("detect", "point")),
        model_status("reader", Task.VISION, abilities=("ocr",)),
        model_status("editor", Task.IMAGE, abilities=("edit",)),
        model_status("embedder", Task.EMBEDDING),
    )

    models = (await http.get("/v1/models")).json()["data"]

    assert [(model["context_length"], model["capabilities"]) for model in models] == [
        (8192, ["chat", "json_schema"]),
        (2048, ["chat", "json_schema", "vision", "detect", "point"]),
        (None, ["vision", "ocr"]),
        (None, ["image", "edit"]),
        (None, ["embedding"]),
    ]


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("image-starter", "Send image to /v1/images/generations."),
        ("stt-starter", "Send transcription to /v1/audio/transcriptions."),
        ("tts-starter", "Send speech to /v1/audio/speech."),
    ],
)
async def test_calling_a_model_at_the_wrong_endpoint_names_those_that_can_and_its_own(
    sdk: AsyncOpenAI, model: str, endpoint: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=f"{model} supports .*, not text") as refused:
        await sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    assert refused.value.code == "unsupported_model"
    assert endpoint in refused.value.message


async def test_a_repository_that_is_not_here_is_a_model_not_found(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.resolve_error = ModelMissing("org/none", None, "senses pull org/none")

    with pytest.raises(openai.NotFoundError, match="senses pull org/none") as refused:
        await sdk.models.retrieve("org/none")

    assert refused.value.code == "model_not_found"


@pytest.mark.promise("openai:voices")
async def test_voices_are_listed_as_open_webui_reads_them(http: httpx2.AsyncClient) -> None:
    voices = (await http.get("/v1/audio/voices")).json()
    models = (await http.get("/v1/audio/models")).json()

    assert voices["voices"] == voices["data"] == [{"id": "alma", "name": "alma"}, {"id": "otto", "name": "otto"}]
    assert [model["id"] for model in models["models"]] == ["tts-starter"]
