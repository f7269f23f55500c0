"""The built-in voice is understood: by the built-in recogniser, which never heard it, and at every speed."""

import json

import numpy as np
import pytest

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.catalog.voices import read_voices
from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.engines.speech.sentences import SENTENCE_PAUSE
from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.events import AudioChunk, TranscriptionResult
from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.requests import Speak, Transcribe
from starter_world.signals import joins, longest_pause, median_pitch
from tests.model_runtime.engines.job_engine_driver import events_of_type, load, run_to_end

pytestmark = pytest.mark.engines

FOLDER = STARTER_FOLDER / "tts-starter"
RATE = 24_000
TWO_SENTENCES = "A small red circle. Good evening."
LONG_TEXT = (
    "Good morning. A small red circle is above a blue square. Please open the file and read the message. "
    "Three green stars are on a white background. Number forty two, letter b c. Turn off the lights, and good night."
)
SENTENCES = ("a small red circle", "three one four", "draw a green star", "a blue square above a pink heart")


@pytest.fixture(scope="module")
def voice() -> SpeechEngine:
    """The built-in voice."""
    return load(SpeechEngine(), {"model": FOLDER})


@pytest.fixture(scope="module")
def recogniser() -> TranscriptionEngine:
    """The built-in recogniser."""
    return load(TranscriptionEngine(), {"model": STARTER_FOLDER / "stt-starter"})


def spoken(voice: SpeechEngine, text: str, name: str, speed: float = 1.0) -> bytes:
    """A sentence as an MP3, as a client would get it."""
    events = run_to_end(voice, Speak("tts-starter", text, voice=name, speed=speed))
    return encode_speech(b"".join(chunk.pcm for chunk in events_of_type(AudioChunk, events)), RATE, "mp3")


def chunks(voice: SpeechEngine, text: str, name: str, speed: float = 1.0) -> list[np.ndarray]:
    """The same as samples in -1..1, chunk by chunk."""
    events = run_to_end(voice, Speak("tts-starter", text, voice=name, speed=speed))
    return [np.frombuffer(chunk.pcm, "<i2") / 32768 for chunk in events_of_type(AudioChunk, events)]


def understood(recogniser: TranscriptionEngine, recording: bytes) -> str:
    """What is heard in it."""
    result = run_to_end(recogniser, Transcribe("stt-starter", decode_audio(recording)))[-1]
    assert isinstance(result, TranscriptionResult)
    return result.text


@pytest.mark.promise("starters:speak-is-understood")
@pytest.mark.parametrize("name", ["alma", "otto"])
@pytest.mark.parametrize("text", SENTENCES)
def test_what_is_spoken_is_understood(
    voice: SpeechEngine, recogniser: TranscriptionEngine, name: str, text: str
) -> None:
    assert understood(recogniser, spoken(voice, text, name)) == text


@pytest.mark.promise("starters:two-voices")
def test_one_voice_is_higher_than_the_other(voice: SpeechEngine) -> None:
    otto, alma = (median_pitch(np.concatenate(chunks(voice, TWO_SENTENCES, name)), RATE) for name in ("otto", "alma"))

    assert 70 < otto < 1.5 * otto < alma < 350


@pytest.mark.promise("starters:speed")
@pytest.mark.parametrize("speed", [0.75, 1.25, 1.5])
def test_speech_takes_as_long_as_the_speed_says(voice: SpeechEngine, speed: float) -> None:
    normal, changed = (
        sum(map(len, chunks(voice, "draw a large red star above a small blue ring", "otto", asked)))
        for asked in (1.0, speed)
    )

    assert changed * speed / normal == pytest.approx(1, abs=0.1)


@pytest.mark.promise("starters:clean-joins")
def test_chunks_join_without_a_click_and_with_a_breath_between_sentences(voice: SpeechEngine) -> None:
    spoken = chunks(voice, LONG_TEXT, "alma")

    found = joins(spoken, RATE)

    assert len(found) == LONG_TEXT.count(". ")
    assert max(join.step for join in found) < 0.01
    assert all(SENTENCE_PAUSE < join.pause_seconds < 0.5 for join in found)
    assert all(longest_pause(chunk, RATE) < 0.3 for chunk in spoken)


def test_it_is_small_and_its_card_tells_what_it_is() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    scores = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))

    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4_500_000
    assert read_voices(FOLDER).names == ("alma", "otto")
    for judge, most in (("stt-starter", 0.06), ("pocketsphinx", 0.06)):
        for name in ("alma", "otto"):
            assert f"{100 * scores[judge][name]['word_error_rate']:.1f} %" in card
            assert scores[judge][name]["word_error_rate"] < most
