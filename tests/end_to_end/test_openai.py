"""The official OpenAI SDK, strict about every field, with nothing changed but the base URL."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from PIL import Image

from model_runtime.media.audio import decode_audio
from tests.end_to_end.conftest import CLIPS, RunningDaemon
from tests.end_to_end.pictures import draw_circle

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]
SENTENCE = "a red circle above a blue square"
CLIP = CLIPS / "red-circle-above-blue-square.flac"


@pytest.fixture
def client(served: RunningDaemon) -> Any:
    """The SDK, validating every answer; `Any`, since its overloads want literals where tests have parameters."""
    return OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True)


def question(path: Path, text: str) -> list[dict[str, object]]:
    data = base64.b64encode(path.read_bytes()).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return [{"role": "user", "content": [picture, {"type": "text", "text": text}]}]


@pytest.mark.promise("openai:chat")
def test_a_picture_is_described_plain_and_streamed_with_the_same_words(client: Any, tmp_path: Path) -> None:
    messages = question(draw_circle(tmp_path / "picture.png", "blue"), "Describe this image.")

    plain = client.chat.completions.create(model="gpt-4o", messages=messages, temperature=0)
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=messages, temperature=0, stream=True))

    said = plain.choices[0].message.content
    assert "blue circle" in said.lower()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said
    assert len(chunks) > 3


@pytest.mark.promise("openai:images")
def test_a_picture_is_drawn(client: Any) -> None:
    drawn = client.images.generate(prompt="a red circle", size="256x256", extra_body={"seed": 1})

    data = base64.b64decode(drawn.data[0].b64_json)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("PNG", (256, 256))


@pytest.mark.promise("openai:transcriptions")
def test_a_recording_is_written_down_in_all_five_formats(client: Any) -> None:
    said = {
        wanted: client.audio.transcriptions.create(model="whisper-1", file=CLIP, response_format=wanted)
        for wanted in ("json", "text", "srt", "vtt", "verbose_json")
    }

    assert said["json"].text.strip() == SENTENCE
    assert said["text"].strip() == SENTENCE
    assert "-->" in said["srt"]
    assert SENTENCE in said["srt"]
    assert said["vtt"].startswith("WEBVTT")
    assert said["verbose_json"].language == "english"
    assert said["verbose_json"].segments[0].end == pytest.approx(2.24, abs=0.3)


def test_a_transcription_is_streamed(client: Any) -> None:
    events = list(client.audio.transcriptions.create(model="whisper-1", file=CLIP, stream=True))

    assert events[0].type == "transcript.text.delta"
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text.strip() == SENTENCE


@pytest.mark.promise("openai:speech")
@pytest.mark.parametrize("wanted", ["mp3", "wav", "opus", "aac", "flac", "pcm"])
def test_a_sentence_is_spoken_in_every_format_at_once_and_streamed(client: Any, wanted: str) -> None:
    ask = {"model": "tts-1", "voice": "alloy", "input": "A red circle.", "response_format": wanted}

    whole = client.audio.speech.create(**ask).content
    with client.audio.speech.with_streaming_response.create(**ask) as response:
        streamed = b"".join(response.iter_bytes())

    for data in (whole, streamed):
        seconds = len(data) / 2 / 24_000 if wanted == "pcm" else decode_audio(data).duration_seconds
        assert 0.5 < seconds < 6


@pytest.mark.promise("openai:models")
def test_the_models_are_listed_and_looked_up(client: Any) -> None:
    names = {model.id for model in client.models.list()}

    assert {"vlm-starter", "stt-starter", "tts-starter", "image-starter"} <= names
    assert client.models.retrieve("vlm-starter").id == "vlm-starter"


@pytest.mark.promise("errors:openai")
def test_errors_name_the_value_and_the_way_out(client: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("SECRET=hunter2")

    with pytest.raises(NotFoundError, match="no model 'vlm-worst'"):
        client.chat.completions.create(model="vlm-worst", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(BadRequestError) as refusal:
        client.chat.completions.create(model="gpt-4o", messages=question(tmp_path / "notes.png", "?"))
    with pytest.raises(BadRequestError, match="nobody"):
        client.audio.speech.create(model="tts-1", voice="nobody", input="Hello")

    body = json.dumps(refusal.value.body)
    assert "hunter2" not in body
    assert refusal.value.code is not None
