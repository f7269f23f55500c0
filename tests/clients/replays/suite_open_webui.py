"""What Open WebUI 0.12.4 sends, by its source: models and voices, chats, speech, recordings, pictures."""

import base64
from collections.abc import Iterator

import httpx2
import pytest

from tests.clients.given import BASE_URL, MEDIA, RECORDING, SCRIPTED_ANSWER, SPOKEN, URL, data_url
from tests.clients.replays.program import HELLO, USAGE, Program, text_of, tool

OPEN_WEBUI = Program({"x-openwebui-user-name": "Ada", "x-openwebui-user-id": "1"})


def test_open_webui_lists_models_and_voices_also_without_a_key() -> None:
    listed = OPEN_WEBUI.get("/models")
    models, voices = (httpx2.get(f"{BASE_URL}/audio/{name}").json() for name in ("models", "voices"))

    assert all({"id", "object", "created", "owned_by"} <= model.keys() for model in listed["data"])
    assert {"id", "name"} <= models["models"][0].keys()
    assert {"id", "name"} <= voices["voices"][0].keys()


def test_open_webui_chats_with_a_picture_and_tools() -> None:
    parts = [
        {"type": "text", "text": "Describe this image."},
        {"type": "image_url", "image_url": {"url": data_url("circle.png")}},
    ]
    body = {
        "model": "vlm-starter",
        "messages": [{"role": "user", "content": parts}],
        "tools": [tool("get_current_time"), tool("calculate", expression={"type": "string"})],
        "temperature": 0,
        **USAGE,
    }

    chunks = OPEN_WEBUI.stream("/chat/completions", body)

    assert "blue circle" in text_of(chunks).lower()
    assert chunks[-1]["usage"]["total_tokens"] > 0


def test_open_webui_names_a_chat() -> None:
    body = {"model": "scripted", "messages": HELLO, "stream": False, "max_completion_tokens": 1000, "metadata": {}}

    assert OPEN_WEBUI.post("/chat/completions", body)["choices"][0]["message"]["content"] == SCRIPTED_ANSWER


def test_open_webui_reads_an_answer_aloud() -> None:
    """It writes down as MP3 what `audio/mpeg` says it is, and converts everything else."""
    answer = OPEN_WEBUI.send("/audio/speech", json={"input": "a red circle", "voice": "alloy", "model": "tts-1"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert len(answer.content) > 1000


def test_open_webui_sends_a_recording_in_chunks_without_a_length() -> None:
    recording = RECORDING.read_bytes()

    def chunks() -> Iterator[bytes]:
        for name, value in (("model", "whisper-1"), ("language", "en")):
            yield f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n'
        yield recording[: len(recording) // 2]
        yield recording[len(recording) // 2 :]
        yield b"\r\n--XX--\r\n"

    answer = OPEN_WEBUI.send(
        "/audio/transcriptions", content=chunks(), headers={"content-type": "multipart/form-data; boundary=XX"}
    )

    assert (answer.status_code, answer.json()["text"]) == (200, SPOKEN)


def test_open_webui_sends_a_recording_as_json() -> None:
    sound = base64.b64encode(RECORDING.read_bytes()).decode()
    body = {"model": "whisper-1", "input_audio": {"data": sound, "format": "wav"}}

    assert OPEN_WEBUI.post("/audio/transcriptions", body)["text"] == SPOKEN


def test_open_webui_shows_what_is_wrong_with_a_recording() -> None:
    answer = OPEN_WEBUI.send(
        "/audio/transcriptions", json={"model": "whisper-1", "input_audio": {"data": "AAAA", "format": "wav"}}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("version", ["", "?api-version=2025-04-01-preview"])
def test_open_webui_draws(version: str) -> None:
    body = {"model": "dall-e-3", "prompt": "a red circle", "n": 1, "size": "64x64", "response_format": "b64_json"}

    drawn = OPEN_WEBUI.post(f"/images/generations{version}", body)

    assert base64.b64decode(drawn["data"][0]["b64_json"]).startswith(b"\x89PNG")


def test_open_webui_fetches_a_picture_from_the_host_that_it_asked() -> None:
    body = {"model": "gpt-image-1", "prompt": "a red circle", "n": 1, "size": "64x64", "response_format": "url"}

    url = OPEN_WEBUI.post("/images/generations", body)["data"][0]["url"]

    assert url.startswith(f"{URL}/")
    assert httpx2.get(url, headers=OPEN_WEBUI.headers).headers["content-type"] == "image/png"


@pytest.mark.parametrize("field", ["image", "image[]"])
def test_open_webui_edits_a_picture(field: str) -> None:
    """One picture is sent as `image`, several as `image[]`."""
    form = {"model": "painter", "prompt": "a red circle", "n": "1", "size": "64x64", "response_format": "b64_json"}
    parts = [f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in form.items()]
    head = (
        f'--XX\r\nContent-Disposition: form-data; name="{field}"; filename="0.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    content = "".join([*parts, head]).encode() + (MEDIA / "small.png").read_bytes() + b"\r\n--XX--\r\n"

    answer = OPEN_WEBUI.send(
        "/images/edits", content=content, headers={"content-type": "multipart/form-data; boundary=XX"}
    )

    assert answer.status_code == 200, answer.text
    assert base64.b64decode(answer.json()["data"][0]["b64_json"]).startswith(b"\x89PNG")


def test_open_webui_embeds_documents() -> None:
    answer = OPEN_WEBUI.post("/embeddings", {"input": ["a red circle", "forty two"], "model": "embedder"})

    assert [len(item["embedding"]) > 0 for item in answer["data"]] == [True, True]
