"""A voice memo of an everyday sentence with Whisper, SmolLM2 and Kokoro, in one call."""

import base64

import httpx2
import pytest

from tests.real_models.words import error_rate, words_of

pytestmark = [pytest.mark.real, pytest.mark.complete, pytest.mark.timeout(900)]
MEMO = "Please call the dentist on Monday, and buy some bread."


@pytest.mark.promise("real:voice-memo")
def test_a_memo_is_heard_summarised_and_answered_aloud(http: httpx2.Client) -> None:
    said = http.post("/v1/audio/speech", json={"input": MEMO, "model": "kokoro-82m", "response_format": "wav"})
    said.raise_for_status()
    fields = {
        "transcription_model": "whisper-base",
        "model": "smollm2-135m",
        "speech_model": "kokoro-82m",
        "instructions": "Use at most ten words.",
        "briefing": "true",
    }

    answer = http.post("/v1/voice-memo", files={"file": ("memo.wav", said.content)}, data=fields).json()

    spoken = base64.b64decode(answer["briefing"]["data"])
    heard = http.post(
        "/v1/audio/transcriptions", files={"file": ("briefing.mp3", spoken)}, data={"model": "whisper-base"}
    ).json()["text"]
    assert "dentist on Monday" in answer["transcript"]
    assert any(word in answer["summary"] for word in ("dentist", "bread"))
    assert error_rate([(words_of(answer["summary"]), words_of(heard))]) < 0.2
