"""Recordings that are written down, and texts that are spoken."""

import base64
import io
import json
import urllib.request
import warnings
from typing import Any

import openai
import pytest

from tests.clients.given import BASE_URL, KEY, MEDIA, RECORDING, SPOKEN
from tests.clients.openai_python.sdk import client

URL = f"{BASE_URL}/audio/transcriptions"
HEAR = {"model": "whisper-1", "file": RECORDING}
SPEAK = {"model": "tts-1", "voice": "alloy", "input": "one two"}
BEGINNINGS = {
    "mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3"),
    "opus": (b"OggS",),
    "aac": (b"\xff\xf1", b"\xff\xf9"),
    "flac": (b"fLaC",),
    "wav": (b"RIFF",),
}
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def test_a_recording_is_written_down() -> None:
    heard = client.audio.transcriptions.create(**HEAR)

    assert heard.text == SPOKEN
    assert heard.usage.type == "duration"


@pytest.mark.parametrize(("kind", "begins"), [("text", "Hello"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n")])
def test_a_transcript_comes_as_text_and_subtitles(kind: str, begins: str) -> None:
    heard = client.audio.transcriptions.create(**HEAR, response_format=kind)

    assert heard.startswith(begins)
    assert " ".join(line for line in heard.splitlines() if line[-1:] in (".", "?")) == SPOKEN


def test_a_verbose_transcript_has_segments() -> None:
    heard = client.audio.transcriptions.create(**HEAR, response_format="verbose_json")

    assert (heard.text, heard.language, heard.words) == (SPOKEN, "english", None)
    assert heard.duration == pytest.approx(3, abs=0.1)
    assert 0 <= heard.segments[0].start < heard.segments[0].end <= heard.segments[1].start < 3


def test_words_have_times() -> None:
    heard = client.audio.transcriptions.create(
        **HEAR, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )

    assert [word.word for word in heard.words] == SPOKEN.split()
    assert all(one.start <= two.start for one, two in zip(heard.words, heard.words[1:], strict=False))
    assert heard.segments


def test_a_transcript_is_streamed() -> None:
    events = list(client.audio.transcriptions.create(**HEAR, stream=True))

    assert [event.type for event in events] == ["transcript.text.delta"] * (len(events) - 1) + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]).strip() == events[-1].text == SPOKEN


@pytest.mark.parametrize(
    "file",
    [
        RECORDING.read_bytes(),
        io.BytesIO(RECORDING.read_bytes()),
        ("voice.m4a", RECORDING.read_bytes()),
        ("voice", RECORDING.read_bytes(), "text/plain"),
    ],
    ids=["bytes", "stream", "wrong name", "wrong type"],
)
def test_the_content_of_a_file_tells_its_format(file: Any) -> None:
    assert client.audio.transcriptions.create(model="whisper-1", file=file).text == SPOKEN


@pytest.mark.parametrize("language", ["", "auto", "en", "en-US", "English"])
def test_a_language_is_taken_in_every_spelling(language: str) -> None:
    assert client.audio.transcriptions.create(**HEAR, language=language).text == SPOKEN


def test_fields_of_newer_models_are_taken() -> None:
    heard = client.audio.transcriptions.create(
        **HEAR, prompt="red", temperature=0, chunking_strategy="auto", include=["logprobs"]
    )

    assert heard.text == SPOKEN


def test_a_recording_is_sent_as_json() -> None:
    sound = {"data": base64.b64encode(RECORDING.read_bytes()).decode(), "format": "wav"}
    body = {"model": "whisper-1", "input_audio": sound}

    assert client.post("/audio/transcriptions", cast_to=object, body=body)["text"] == SPOKEN


@pytest.mark.parametrize(
    "fields",
    [
        [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")],
        [("timestamp_granularities", "word"), ("timestamp_granularities", "segment")],
        [("timestamp_granularities", "word,segment")],
        [("timestamp_granularities", '["word", "segment"]')],
    ],
    ids=["brackets", "repeated", "commas", "JSON"],
)
def test_granularities_are_taken_in_every_spelling(fields: list[tuple[str, str]]) -> None:
    form = [("response_format", "verbose_json"), *fields, ("model", "whisper-1")]
    parts = [f'--XX\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in form]
    head = '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    content = head.encode() + RECORDING.read_bytes() + f"\r\n{''.join(parts)}--XX--\r\n".encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "multipart/form-data; boundary=XX"}

    with urllib.request.urlopen(urllib.request.Request(URL, content, headers)) as answer:  # noqa: S310 - the daemon
        heard = json.load(answer)

    assert [word["word"] for word in heard["words"]] == SPOKEN.split()
    assert heard["segments"]


def test_a_translation_is_english_text() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        translated = client.audio.translations.create(model="listener", file=MEDIA / "foreign.wav")

    assert translated.text == "The weather is nice today"


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_a_text_is_spoken_in_six_formats_at_once_and_streamed(kind: str) -> None:
    whole = client.audio.speech.create(**SPEAK, response_format=kind)
    with client.audio.speech.with_streaming_response.create(**SPEAK, response_format=kind) as response:
        streamed = b"".join(response.iter_bytes())

    assert whole.response.headers["content-type"].startswith(CONTENT_TYPES[kind])
    assert all(sound.startswith(BEGINNINGS.get(kind, b"")) for sound in (whole.content, streamed))
    assert abs(len(whole.content) - len(streamed)) < 2000


def test_mp3_is_what_a_text_is_spoken_in_by_default() -> None:
    assert client.audio.speech.create(**SPEAK).content.startswith(BEGINNINGS["mp3"])


def test_speed_shortens_speech() -> None:
    slow, fast = (
        len(client.audio.speech.create(**SPEAK, response_format="pcm", speed=speed).content) for speed in (0.5, 2)
    )

    assert slow > 2 * fast


@pytest.mark.parametrize("voice", ["alloy", "marin", {"id": "nova"}])
def test_a_voice_is_a_name_or_an_object(voice: Any) -> None:
    spoken = client.audio.speech.create(model="tts-1", voice=voice, input="one", instructions="Speak slowly.")

    assert len(spoken.content) > 500


def test_speech_is_streamed_as_events() -> None:
    ask = {**SPEAK, "response_format": "wav", "stream_format": "sse"}
    with client.audio.speech.with_streaming_response.create(**ask) as response:
        lines = [line for line in response.iter_lines() if line.startswith("data: {")]

    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert base64.b64decode(events[0]["audio"]).startswith(b"RIFF")
    assert {"input_tokens", "output_tokens", "total_tokens"} <= events[-1]["usage"].keys()


def test_what_cannot_be_heard_or_spoken_is_refused_by_name() -> None:
    with pytest.raises(openai.BadRequestError, match="diarized_json"):
        client.audio.transcriptions.create(**HEAR, response_format="diarized_json")
    with pytest.raises(openai.BadRequestError):
        client.audio.transcriptions.create(model="whisper-1", file=b"no sound")
    with pytest.raises(openai.BadRequestError, match="nobody"):
        client.audio.speech.create(**{**SPEAK, "voice": "nobody"})
