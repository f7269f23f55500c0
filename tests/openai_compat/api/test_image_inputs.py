"""Images as web addresses, if the settings allow them."""

from pathlib import Path

import httpx2
import pytest

from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import InvalidInput, InvalidMedia, JobFailed
from model_runtime.events import ChatResult, Finished, SpeechResult, Timings, expect_result
from model_runtime.formats.fetch import Fetcher
from model_runtime.media.types import ImageData
from openai_compat.api.image_inputs import ImageInputs


def web(content: bytes) -> ImageInputs:
    """Return image inputs of a web in which every URL has this content."""

    async def look_up(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    server = httpx2.MockTransport(lambda request: httpx2.Response(200, content=content))
    return ImageInputs(MediaDecoder(512_000_000, Path()), allow_urls=True, fetcher=Fetcher(look_up, server))


async def test_a_picture_from_the_web_is_opened_where_that_is_allowed(png: bytes) -> None:
    picture = await web(png).load(" https://pictures.example/a.png ", param="p")

    assert picture == ImageData(8, 6, b"\xff\0\0" * 48)


async def test_what_the_web_holds_must_be_a_picture() -> None:
    with pytest.raises(InvalidMedia) as refused:
        await web(b"<html>").load("https://pictures.example/a.png", param="p")

    assert (refused.value.param, refused.value.code) == ("p", "image_parse_error")


async def test_what_cannot_be_fetched_has_openais_code() -> None:
    with pytest.raises(InvalidInput, match="not a public address") as refused:
        await ImageInputs(MediaDecoder(512_000_000, Path()), allow_urls=True).load("http://127.0.0.1/a.png", param="p")

    assert (refused.value.param, refused.value.code) == ("p", "invalid_image_url")


def test_a_run_without_its_result_is_an_error() -> None:
    with pytest.raises(JobFailed, match="ended without a result of type ChatResult"):
        expect_result(None, ChatResult)
    with pytest.raises(JobFailed, match="ended without a result of type ChatResult"):
        expect_result(Finished("m", SpeechResult(1.0, 24_000, "alma", "en"), Timings(0.0, 0.0, 0.0)), ChatResult)
