"""The built-in voice is understood: by the built-in recogniser, which never heard it, and at every speed."""

import json

import numpy as np
import pytest

from model_runtime.catalog.aliases import STARTERS
from model_runtime.catalog.voices import read_voices
from model_runtime.engines.recognition import RecognitionEngine
from model_runtime.engines.speech import SpeechEngine
from model_runtime.events import AudioChunk, Transcript
from model_runtime.media.audio import decode_sound
from model_runtime.media.speech import encode_speech
from model_runtime.requests import Speak, Transcribe
from tests.model_runtime.engines.sounding import drive, load, of

pytestmark = pytest.mark.engines

FOLDER = STARTERS / "tts-starter"
SENTENCES = ("a small red circle", "three one four", "draw a green star", "a blue square above a pink heart")


@pytest.fixture(scope="module")
def voice() -> SpeechEngine:
    """The built-in voice."""
    return load(SpeechEngine(), {"model": FOLDER})


@pytest.fixture(scope="module")
def recogniser() -> RecognitionEngine:
    """The built-in recogniser."""
    return load(RecognitionEngine(), {"model": STARTERS / "stt-starter"})


def spoken(voice: SpeechEngine, text: str, name: str, speed: float = 1.0) -> bytes:
    """A sentence as an MP3, as a client would get it."""
    events = drive(voice, Speak("tts-starter", text, voice=name, speed=speed))
    return encode_speech(b"".join(chunk.pcm for chunk in of(AudioChunk, events)), 24_000, "mp3")


def understood(recogniser: RecognitionEngine, recording: bytes) -> str:
    """What is heard in it."""
    result = drive(recogniser, Transcribe("stt-starter", decode_sound(recording)))[-1]
    assert isinstance(result, Transcript)
    return result.text


@pytest.mark.promise("starters:speak-is-understood")
@pytest.mark.parametrize("name", ["alma", "otto"])
@pytest.mark.parametrize("text", SENTENCES)
def test_what_is_spoken_is_understood(voice: SpeechEngine, recogniser: RecognitionEngine, name: str, text: str) -> None:
    assert understood(recogniser, spoken(voice, text, name)) == text


def test_one_voice_is_higher_than_the_other(voice: SpeechEngine) -> None:
    otto, alma = (pitch(decode_sound(spoken(voice, "a red circle", name)).pcm) for name in ("otto", "alma"))

    assert 70 < otto < 150 < alma < 350


def pitch(pcm: bytes) -> float:
    """The fundamental frequency of the loudest 100 ms at 16 kHz, by autocorrelation."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    loudest = int(np.argmax(np.convolve(samples**2, np.ones(1600), "valid")))
    window = samples[loudest : loudest + 1600]
    alike = np.correlate(window, window, "full")[len(window) - 1 :]
    shortest, longest = 16_000 // 400, 16_000 // 60
    return float(16_000 / (shortest + alike[shortest:longest].argmax()))


def test_it_is_small_and_its_card_tells_what_it_is() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    scores = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))

    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 12_000_000
    assert read_voices(FOLDER).names == ("alma", "otto")
    for name in ("alma", "otto"):
        assert f"{100 * scores[name]['word_error_rate']:.1f} %" in card
        assert scores[name]["word_error_rate"] < 0.08
