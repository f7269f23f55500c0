"""A voice memo, and a question by voice that is answered aloud, with the built-in models in a real daemon."""

import base64
from typing import Any

import httpx2
import pytest

from model_runtime.media.audio import decode_audio
from tests.end_to_end.conftest import CLIPS, RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]
WORDS = "red circle above a blue square"
RECORDING = (CLIPS / "red-circle-above-blue-square.flac").read_bytes()


@pytest.fixture
def http(served: RunningDaemon) -> Any:
    """A plain client of the daemon."""
    with httpx2.Client(base_url=served.url, timeout=120) as client:
        yield client


@pytest.mark.promise("openai:voice-memo-honest")
def test_the_starters_hear_a_memo_speak_it_and_say_that_none_of_them_summarises(http: httpx2.Client) -> None:
    answer = http.post("/v1/voice-memo?briefing=true", content=RECORDING, headers={"content-type": "audio/flac"}).json()

    assert WORDS in answer["transcript"].lower()
    assert answer["summary"] is None
    assert "senses pull llm-fast" in answer["senses"]["warnings"][0]
    spoken = base64.b64decode(answer["briefing"]["data"])
    heard = http.post("/v1/audio/transcriptions", files={"file": ("briefing.mp3", spoken)}).json()
    assert WORDS in heard["text"].lower()


@pytest.mark.promise("openai:spoken-chats")
def test_a_question_by_voice_is_answered_by_voice(http: httpx2.Client) -> None:
    recording = {"type": "input_audio", "input_audio": {"data": base64.b64encode(RECORDING).decode(), "format": "flac"}}
    body = {"messages": [{"role": "user", "content": [recording]}], "modalities": ["text", "audio"]}

    answer = http.post("/v1/chat/completions", json={**body, "audio": {"voice": "alloy", "format": "mp3"}}).json()

    audio = answer["choices"][0]["message"]["audio"]
    assert audio["transcript"]
    assert decode_audio(base64.b64decode(audio["data"])).duration_seconds > 0.5
    assert WORDS in " ".join(answer["senses"]["warnings"]).lower() or "transcribed by stt-starter" in str(
        answer["senses"]
    )
