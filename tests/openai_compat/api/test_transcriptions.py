"""Transcriptions, through OpenAI's client and in the spellings of other clients."""

import base64
import errno
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from tempfile import SpooledTemporaryFile

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.events import Segment
from model_runtime.requests import Transcribe
from openai_compat.api.transcriptions import segment_json
from openai_compat.http.sse import DeferredStreamingResponse
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, multipart_body, post_form, wait_until_cancelled


def received_request(service: FakeService) -> Transcribe:
    """Return the one transcription request that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Transcribe)
    return request


@pytest.mark.promise("openai:transcriptions")
async def test_the_official_client_transcribes(sdk: AsyncOpenAI, service: FakeService, wav: bytes) -> None:
    answer = await sdk.audio.transcriptions.create(
        model="stt-starter", file=("a.wav", wav), language="en-US", prompt="x"
    )

    assert answer.text == "a red circle"
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    request = received_request(service)
    assert (request.audio.sample_rate, request.audio.duration_seconds) == (16_000, 1.5)
    assert (request.language, request.prompt, request.temperature, request.translate) == ("en", "x", None, False)


@pytest.mark.promise("openai:transcriptions")
async def test_a_transcription_streams(sdk: AsyncOpenAI, wav: bytes) -> None:
    stream = await sdk.audio.transcriptions.create(model="fast", file=wav, stream=True)

    events = [event async for event in stream]

    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0].type == "transcript.text.delta"
    assert events[0].delta == "a red circle"
    assert events[1].type == "transcript.text.done"
    assert events[1].text == "a red circle"
    assert events[1].usage is not None


@pytest.mark.promise("openai:patience")
async def test_a_stream_is_kept_alive_while_its_recording_waits_to_be_decoded(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DeferredStreamingResponse.__init__.__kwdefaults__ or {}, "ping_seconds", 0.02)
    files, data = {"file": ("a.wav", wav)}, {"stream": "true"}

    async with AsyncExitStack() as others:
        await others.enter_async_context(service.media.admission.admit(512_000_000))
        async with http.stream("POST", "/v1/audio/transcriptions", files=files, data=data) as answer:
            lines = answer.aiter_lines()
            begin = await anext(lines)
            await others.aclose()
            rest = [line async for line in lines]

    assert begin == ": keep-alive"
    assert rest[-2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize(
    "spelling",
    [
        [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")],
        [("timestamp_granularities", "word,segment")],
        [("timestamp_granularities", '["word", "segment"]')],
        [("timestamp_granularities[]", "word"), ("timestamp_granularities", "segment")],
    ],
)
async def test_granularities_come_in_any_spelling(
    http: httpx2.AsyncClient, wav: bytes, spelling: list[tuple[str, str]]
) -> None:
    fields = [*spelling, ("response_format", "verbose_json"), ("include[]", "logprobs"), ("chunking_strategy", "auto")]

    answer = await post_form(http, "/v1/audio/transcriptions", fields, wav)

    assert answer.status_code == 200
    assert {"words", "segments"} <= answer.json().keys()


async def test_granularities_mean_nothing_without_verbose_json(http: httpx2.AsyncClient, wav: bytes) -> None:
    """The Vercel AI SDK sends them with json."""
    answer = await post_form(http, "/v1/audio/transcriptions", [("timestamp_granularities[]", "word")], wav)

    assert answer.json()["text"] == "a red circle"


async def test_the_file_may_come_before_the_fields_and_in_chunks(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    """JavaScript sends the file first; Open WebUI sends chunks without a length or part types."""
    body = multipart_body([('name="file"; filename="upload"', wav), ('name="prompt"', b"later")])

    async def chunks() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    answer = await http.post(
        "/v1/audio/transcriptions",
        content=chunks(),
        headers={"content-type": "multipart/form-data; boundary=XX"},
    )

    assert "content-length" not in answer.request.headers
    assert answer.json()["text"] == "a red circle"
    assert received_request(service).prompt == "later"


async def test_a_recording_may_come_inside_json(http: httpx2.AsyncClient, wav: bytes) -> None:
    audio = {"data": base64.b64encode(wav).decode(), "format": "wav"}

    answer = await http.post("/v1/audio/transcriptions", json={"model": "fast", "input_audio": audio})

    assert answer.json()["text"] == "a red circle"


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ([("response_format", "diarized_json")], "response_format", "response_format is 'diarized_json'"),
        ([("language", "klingon")], "language", "There is no language 'klingon'"),
        ([("timestamp_granularities[]", "letter")], "timestamp_granularities", '"word", "segment"'),
        ([("temperature", "2")], "temperature", "temperature is '2'"),
        ([("model", "tts-starter")], "model", "tts-starter supports speech, not transcription"),
    ],
)
async def test_what_cannot_be_heard_is_refused_by_name(
    http: httpx2.AsyncClient, wav: bytes, fields: list[tuple[str, str]], param: str, sentence: str
) -> None:
    answer = await post_form(http, "/v1/audio/transcriptions", fields, wav)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert sentence in answer.json()["error"]["message"]


@pytest.mark.parametrize("junk", [b"", b"this is no sound", b"RIFF\0\0\0\0WAVE"])
async def test_bytes_that_are_no_recording_are_refused(http: httpx2.AsyncClient, junk: bytes) -> None:
    answer = await http.post("/v1/audio/transcriptions", files={"file": ("a.wav", junk)})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"


async def test_a_form_without_a_recording_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/audio/transcriptions", data={"model": "fast"})
    broken = await http.post(
        "/v1/audio/transcriptions", content=b"junk", headers={"content-type": "multipart/form-data"}
    )
    bare = await http.post("/v1/audio/transcriptions", json={"model": "fast"})

    assert [reply.status_code for reply in (answer, broken, bare)] == [400, 400, 400]
    assert answer.json()["error"]["code"] == "missing_required_parameter"
    assert "cannot be read" in broken.json()["error"]["message"]
    assert bare.json()["error"]["param"] == "input_audio"


@pytest.mark.promise("openai:cancel")
async def test_closing_the_connection_cancels_a_transcription(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    service.gate = anyio.Event()

    await disconnect_while_waiting(service, lambda: http.post("/v1/audio/transcriptions", files={"file": wav}))

    await wait_until_cancelled(service)


async def test_errors_reach_the_official_client_with_their_parameter(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.audio.transcriptions.create(model="fast", file=b"no sound")

    assert refused.value.param == "file"


def test_unknown_numbers_of_a_segment_are_zero() -> None:
    """OpenAI's client refuses null there."""
    written = segment_json(Segment(0, 0.0, 1.0, "x"))

    assert written["avg_logprob"] == 0.0
    assert None not in written.values()


async def test_an_upload_to_a_full_disk_is_refused_and_the_next_one_works(
    http: httpx2.AsyncClient, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: SpooledTemporaryFile[bytes], data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(SpooledTemporaryFile, "write", write)
        failed = await post_form(http, "/v1/audio/transcriptions", [("model", "fast")], wav)
    answer = await post_form(http, "/v1/audio/transcriptions", [("model", "fast")], wav)

    error = failed.json()["error"]
    assert (failed.status_code, error["code"], failed.headers["x-should-retry"]) == (507, "no_room", "false")
    assert "No space left on device. Free disk space there" in error["message"]
    assert answer.status_code == 200


@pytest.mark.promise("openai:bare-recordings")
@pytest.mark.parametrize("content_type", ["audio/m4a", "audio/wav; x=1", "video/mp4", "application/octet-stream"])
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/transcriptions/", "/v1/audio/translations"])
async def test_a_recording_may_be_the_whole_body(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes, content_type: str, path: str
) -> None:
    answer = await http.post(path, content=wav, headers={"content-type": content_type})

    assert answer.json()["text"] == "a red circle"
    (request,) = service.requests
    assert isinstance(request, Transcribe)
    assert request.audio.duration_seconds == 1.5


@pytest.mark.promise("openai:bare-recordings")
async def test_the_fields_of_a_bare_recording_are_in_the_query(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    query = "?language=de&response_format=verbose_json&timestamp_granularities[]=word&timestamp_granularities[]=segment"

    answer = await http.post(f"/v1/audio/transcriptions{query}", content=wav, headers={"content-type": "audio/m4a"})

    (request,) = service.requests
    assert isinstance(request, Transcribe)
    assert (request.language, request.word_timestamps) == ("de", True)
    assert {"words", "segments"} <= answer.json().keys()


@pytest.mark.parametrize(
    ("body", "query", "param"), [(b"", "", "file"), (b"noise", "", "file"), (b"noise", "?temperature=9", "temperature")]
)
async def test_a_bare_recording_that_cannot_be_used_is_refused(
    http: httpx2.AsyncClient, body: bytes, query: str, param: str
) -> None:
    answer = await http.post(f"/v1/audio/transcriptions{query}", content=body, headers={"content-type": "audio/m4a"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_bare_recording_is_taken_by_no_other_endpoint(http: httpx2.AsyncClient, wav: bytes) -> None:
    answer = await http.post("/v1/chat/completions", content=wav, headers={"content-type": "audio/m4a"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
