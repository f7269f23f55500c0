"""The built-in recogniser, judged by recordings of known words: voices, noise and sentences it never met among them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.events import TranscriptionResult
from model_runtime.media.audio import decode_audio
from model_runtime.media.types import Audio, MediaFile
from model_runtime.requests import Transcribe
from tests.meaning.in_process import load_starter
from tests.meaning.recordings import clip
from tests.meaning.sounds import decode_samples
from tests.model_runtime.engines.job_engine_driver import audio_of, run_to_end

pytestmark = pytest.mark.engines

FOLDER = STARTER_FOLDER / "stt-starter"
SENTENCES = (
    "red-circle-above-blue-square",
    "three-one-four",
    "draw-a-small-green-star",
    "two-sentences",
    "late-start",
    "forty-two",
    "letters",
    "turn-down-the-volume",
    "three-blue-circles",
    "unseen-voice",
    "another-unseen-voice",
    "in-noise",
    "in-loud-noise",
)
NEAR_SECONDS = 0.25


@pytest.fixture(scope="module")
def starter() -> TranscriptionEngine:
    """The model as the catalogue opens it."""
    engine = load_starter("stt-starter")
    assert isinstance(engine, TranscriptionEngine)
    return engine


def transcript(starter: TranscriptionEngine, name: str, *, words: bool = False) -> TranscriptionResult:
    """What is heard in a clip."""
    result = run_to_end(starter, Transcribe("stt-starter", decode_audio(clip(name).file), word_timestamps=words))[-1]
    assert isinstance(result, TranscriptionResult)
    return result


def test_samples_in_a_file_are_heard_as_those_in_memory(starter: TranscriptionEngine, tmp_path: Path) -> None:
    sound, path = decode_audio(clip("forty-two").file), tmp_path / "decoded"
    path.write_bytes(sound.pcm)
    in_file = Audio(sound.sample_rate, MediaFile(str(path), len(sound.pcm)))

    assert run_to_end(starter, Transcribe("stt-starter", in_file))[-1] == transcript(starter, "forty-two")


@pytest.mark.promise("transcription:text-and-times")
@pytest.mark.parametrize("name", SENTENCES)
def test_words_and_the_times_of_sentences_are_heard(starter: TranscriptionEngine, name: str) -> None:
    heard, said = transcript(starter, name), clip(name)

    assert heard.text == said.text
    assert [segment.text.strip() for segment in heard.segments] == [segment.text for segment in said.segments]
    for found, wanted in zip(heard.segments, said.segments, strict=True):
        assert found.start == pytest.approx(wanted.start, abs=NEAR_SECONDS)
        assert found.end == pytest.approx(wanted.end, abs=NEAR_SECONDS)


@pytest.mark.promise("transcription:words")
def test_words_are_timed_one_after_the_other_until_their_sentence_ends(starter: TranscriptionEngine) -> None:
    (heard,) = transcript(starter, "three-blue-circles", words=True).segments
    (said,) = clip("three-blue-circles").segments

    assert [word.word.strip() for word in heard.words] == said.text.split()
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert said.end - 2 * NEAR_SECONDS < times[-1] < said.end + NEAR_SECONDS


@pytest.mark.promise("transcription:silence-is-silent")
@pytest.mark.parametrize("name", ["silence", "noise", "music", "melody"])
def test_nothing_is_heard_where_nobody_speaks(starter: TranscriptionEngine, name: str) -> None:
    assert transcript(starter, name).text == ""


@pytest.mark.promise("transcription:silence-is-silent")
@pytest.mark.parametrize("hertz", [110, 440, 1760])
def test_nothing_is_heard_in_a_tone(starter: TranscriptionEngine, hertz: int) -> None:
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(32_000) / 16_000)

    result = run_to_end(starter, Transcribe("stt-starter", audio_of(tone)))[-1]

    assert isinstance(result, TranscriptionResult)
    assert result.text == ""


def test_the_scores_beside_the_model_are_those_of_its_weights() -> None:
    scores = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))

    assert scores["weights"] == hashlib.sha256((FOLDER / "weights.safetensors").read_bytes()).hexdigest()


def test_the_model_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 7_500_000


def test_a_recording_of_a_minute_loses_no_sentence(starter: TranscriptionEngine) -> None:
    names = SENTENCES[:10] * 3
    pause = np.zeros(8000, np.float32)
    parts = [part for name in names for part in (decode_samples(clip(name).file), pause)]

    heard = run_to_end(starter, Transcribe("stt-starter", audio_of(np.concatenate(parts))))[-1]

    assert isinstance(heard, TranscriptionResult)
    assert heard.duration_seconds > 60
    assert heard.text == " ".join(clip(name).text for name in names)
