"""Every answer of a starter says so and has its warnings: in the body if its format allows, otherwise in headers."""

import json
from typing import Any

import httpx2
import pytest

from openai_compat.api.generation import model_headers
from tests.fakes import FakeService
from tests.openai_compat.clients import post_form

WARNING = 'Outside what the starter model knows: "Žirafe"'
CHAT = {"messages": [{"role": "user", "content": "žirafe?"}]}
PICTURE = {"prompt": "a žirafe", "size": "64x64"}

IN_BODY = [
    ("/v1/chat/completions", CHAT, "vlm-starter"),
    ("/v1/chat/completions", CHAT | {"stream": True}, "vlm-starter"),
    ("/v1/responses", {"input": "žirafe?"}, "vlm-starter"),
    ("/v1/responses", {"input": "žirafe?", "stream": True}, "vlm-starter"),
    ("/v1/images/generations", PICTURE, "image-starter"),
    ("/v1/images/generations", PICTURE | {"stream": True}, "image-starter"),
    ("/v1/audio/speech", {"input": "žirafe", "stream_format": "sse"}, "tts-starter"),
]
"""Path, body, and the model that answers."""


@pytest.fixture
def service() -> FakeService:
    """A runtime whose answers all have a warning."""
    fake = FakeService()
    fake.warnings = (WARNING,)
    return fake


def senses_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the field `senses` of a JSON answer, or of the last event of a stream that has it."""
    if answer.headers["content-type"].startswith("application/json"):
        bodies = [answer.json()]
    else:
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        bodies = [json.loads(line) for line in lines]
    found = [body.get("response", body).get("senses") for body in bodies]
    last: dict[str, Any] = [senses for senses in found if senses][-1]
    return last


def headers_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the same values from the headers."""
    senses = {name: answer.headers[f"x-senses-{name}"] for name in ("model", "starter", "warnings")}
    return {**senses, "starter": senses["starter"] == "true", "warnings": json.loads(senses["warnings"])}


def is_labelled(senses: dict[str, Any], model: str) -> bool:
    """Return whether an answer names the starter and has the warning."""
    return (senses["model"], senses["starter"], senses["warnings"]) == (model, True, [WARNING])


@pytest.mark.promise("openai:starter-labelled")
@pytest.mark.parametrize(("path", "body", "model"), IN_BODY)
async def test_the_body_of_an_answer_says_that_a_starter_made_it(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any], model: str
) -> None:
    answer = await http.post(path, json=body)

    assert is_labelled(senses_of(answer), model)


@pytest.mark.promise("openai:starter-labelled")
@pytest.mark.parametrize("more", [{}, {"response_format": "verbose_json"}, {"stream": "true"}])
async def test_a_transcript_says_that_a_starter_made_it(
    http: httpx2.AsyncClient, wav: bytes, more: dict[str, str]
) -> None:
    answer = await post_form(http, "/v1/audio/transcriptions", list(more.items()), wav)

    assert is_labelled(senses_of(answer), "stt-starter")


@pytest.mark.promise("openai:starter-labelled")
@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
async def test_a_plain_transcript_says_it_in_its_headers(http: httpx2.AsyncClient, wav: bytes, form: str) -> None:
    answer = await post_form(http, "/v1/audio/transcriptions", [("response_format", form)], wav)

    assert is_labelled(headers_of(answer), "stt-starter")


@pytest.mark.promise("openai:starter-labelled")
@pytest.mark.parametrize("form", ["mp3", "pcm"])
async def test_audio_says_it_in_its_headers(http: httpx2.AsyncClient, form: str) -> None:
    answer = await http.post("/v1/audio/speech", json={"input": "žirafe", "response_format": form})

    assert is_labelled(headers_of(answer), "tts-starter")
    assert answer.headers["x-sample-rate"] == "24000"


def test_any_name_and_any_words_fit_into_headers() -> None:
    headers = model_headers("/models/모델 1", starter=False, warnings=["žirafe\r\nx: y"] * 20)

    assert headers["x-senses-model"] == "/models/%EB%AA%A8%EB%8D%B8%201"
    assert json.loads(headers["x-senses-warnings"]) == ["žirafe\r\nx: y"] * 8
    assert all(value.isascii() and value.isprintable() for value in headers.values())
