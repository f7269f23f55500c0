"""Recognition through the engine, on a tiny Whisper that hears which tone is played."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.engines.transcription.engine import RecognitionEngine
from model_runtime.errors import BadMedia, Cancelled, InvalidInput, LoadFailed
from model_runtime.events import LanguageFound, Progress, Segment, Transcript
from model_runtime.media.audio import decode_sound
from model_runtime.media.speech import encode_speech
from model_runtime.media.types import Sound
from model_runtime.requests import Speak, Transcribe
from tests.checkpoints import tone_whisper
from tests.checkpoints.tone_whisper import FIRST, HIGH, KOREAN, LOW, MIDDLE, SECOND, TRANSLATED
from tests.checkpoints.weights import load_tensors, save_tensors
from tests.model_runtime.engines.conftest import Build
from tests.model_runtime.engines.sounding import Impatient, drive, load, of, sound

pytestmark = pytest.mark.engines

ENGLISH = f"{FIRST} {SECOND}"


@pytest.fixture(scope="module")
def engine(checkpoint: Callable[[Build], Path]) -> RecognitionEngine:
    """The layout of large-v3-turbo."""
    return load(RecognitionEngine(), {"model": checkpoint(tone_whisper.build)})


@pytest.fixture(scope="module")
def brief(checkpoint: Callable[[Build], Path]) -> RecognitionEngine:
    """Says 32 tokens at most."""
    return load(RecognitionEngine(), {"model": checkpoint(tone_whisper.build_brief)})


def hear(tone: str, seconds: float = 3.0, level: float = 0.3) -> Transcribe:
    """A request to write down one tone."""
    return Transcribe("tiny", sound(tone_whisper.sound(tone, seconds, level=level)))


def transcript(engine: RecognitionEngine, request: Transcribe) -> Transcript:
    """The end of a transcription."""
    result = drive(engine, request)[-1]
    assert isinstance(result, Transcript)
    return result


@pytest.mark.promise("transcription:text-and-times")
def test_speech_becomes_text_with_times_and_language(engine: RecognitionEngine) -> None:
    result = transcript(engine, hear(MIDDLE))

    assert (result.text, result.language, result.duration) == (ENGLISH, "en", 3.0)
    assert [(one.id, one.text, one.start, one.end) for one in result.segments] == [
        (0, f" {FIRST}", 0.0, 1.0),
        (1, f" {SECOND}", 1.02, 2.5),
    ]


def test_another_tone_is_another_language(engine: RecognitionEngine) -> None:
    result = transcript(engine, hear(LOW))

    assert (result.text, result.language) == (KOREAN, "ko")


@pytest.mark.promise("transcription:every-layout")
@pytest.mark.parametrize(
    "build",
    [
        tone_whisper.build_large,
        tone_whisper.build_transformers,
        tone_whisper.build_npz,
        tone_whisper.build_quantised,
        tone_whisper.build_english,
    ],
)
def test_every_published_layout_is_read(checkpoint: Callable[[Build], Path], build: Build) -> None:
    engine = load(RecognitionEngine(), {"model": checkpoint(build)})

    assert transcript(engine, hear(MIDDLE)).text == ENGLISH


@pytest.mark.promise("transcription:translate")
def test_translation_answers_in_english(engine: RecognitionEngine) -> None:
    assert transcript(engine, replace(hear(LOW), translate=True)).text == TRANSLATED


def test_the_language_found_is_told_before_the_text_with_how_sure_it_is(engine: RecognitionEngine) -> None:
    events = drive(engine, hear(LOW))

    kinds = [type(event) for event in events if not isinstance(event, Progress)]
    assert kinds == [LanguageFound, Segment, Transcript]
    assert of(LanguageFound, events) == [LanguageFound("ko", 1.0)]


@pytest.mark.parametrize("language", ["EN", "en-US"])
def test_a_language_that_was_given_is_not_looked_for(engine: RecognitionEngine, language: str) -> None:
    events = drive(engine, replace(hear(MIDDLE), language=language))

    assert of(LanguageFound, events) == []
    assert of(Transcript, events)[0].text == ENGLISH


@pytest.mark.promise("transcription:silence-is-silent")
@pytest.mark.parametrize("kind", ["silence", "faint noise", "loud noise"])
def test_where_nobody_speaks_nothing_is_written(engine: RecognitionEngine, kind: str) -> None:
    noise = np.random.default_rng(0).standard_normal(4 * 16_000)
    levels = {"silence": 0.0, "faint noise": 0.001, "loud noise": 0.3}

    result = transcript(engine, Transcribe("tiny", sound(noise * levels[kind])))

    assert (result.text, result.segments, result.language) == ("", (), "")


@pytest.mark.parametrize("level", [0.02, 0.1, 1.0])
def test_loudness_does_not_matter(engine: RecognitionEngine, level: float) -> None:
    assert transcript(engine, hear(MIDDLE, level=level)).text == ENGLISH


@pytest.mark.parametrize("kind", ["mp3", "opus"])
def test_uploads_of_any_format_are_understood(engine: RecognitionEngine, kind: str) -> None:
    pcm = (tone_whisper.sound(MIDDLE, 3.0, rate=24_000) * 32767).astype("<i2").tobytes()

    heard = decode_sound(encode_speech(pcm, 24_000, kind))

    assert transcript(engine, Transcribe("tiny", heard)).text == ENGLISH


@pytest.mark.promise("transcription:segments-stream")
def test_segments_arrive_window_by_window_long_before_the_end(engine: RecognitionEngine) -> None:
    """Thirty seconds of one tone, then ten of another: the first text is there while the second is unheard."""
    samples = np.concatenate([tone_whisper.sound(LOW, 30), tone_whisper.sound(MIDDLE, 10)])
    events = drive(engine, replace(Transcribe("tiny", sound(samples)), language="ko"))

    texts = [(place, event.text) for place, event in enumerate(events) if isinstance(event, Segment)]
    done = [(place, event.done) for place, event in enumerate(events) if isinstance(event, Progress)]
    assert texts[0][1] == f" {KOREAN}"
    assert texts[-1][1] == f" {SECOND}"
    assert texts[0][0] < min(place for place, seconds in done if seconds > 0)
    assert [seconds for _, seconds in done] == sorted(seconds for _, seconds in done)
    assert (done[0][1], done[-1][1]) == (0.0, 40.0)


def test_a_silent_middle_is_passed_over(engine: RecognitionEngine) -> None:
    samples = np.concatenate(
        [tone_whisper.sound(MIDDLE, 30), tone_whisper.sound("", 30), tone_whisper.sound(MIDDLE, 5)]
    )

    result = transcript(engine, Transcribe("tiny", sound(samples)))

    assert result.segments[-1].end > 60
    assert not [one for one in result.segments if 31 < one.start < 59]


@pytest.mark.promise("transcription:words")
def test_words_have_their_own_times(engine: RecognitionEngine) -> None:
    result = transcript(engine, replace(hear(LOW), words=True))

    (segment,) = result.segments
    assert "".join(word.word for word in segment.words) == f" {KOREAN}"
    assert all(0 <= word.start <= word.end <= 3 for word in segment.words)
    assert [word.start for word in segment.words] == sorted(word.start for word in segment.words)
    assert segment.words[-1].start > 1.5


def test_words_are_not_timed_unasked(engine: RecognitionEngine) -> None:
    assert all(not one.words for one in transcript(engine, hear(MIDDLE)).segments)


@pytest.mark.promise("transcription:cancel-at-once")
def test_a_cancelled_job_ends_within_a_token(engine: RecognitionEngine) -> None:
    """The high tone makes the decoder talk for ever; every token asks once."""
    check = Impatient(12)

    with pytest.raises(Cancelled):
        drive(engine, replace(hear(HIGH), language="en"), check)

    assert check.left == 0


def test_the_engine_works_on_after_a_cancelled_job(engine: RecognitionEngine) -> None:
    with pytest.raises(Cancelled):
        drive(engine, replace(hear(HIGH), language="en"), Impatient(12))

    assert transcript(engine, hear(MIDDLE)).text == ENGLISH


def test_endless_text_ends_and_is_tried_at_every_temperature(brief: RecognitionEngine) -> None:
    result = transcript(brief, hear(HIGH))

    assert {one.temperature for one in result.segments} == {1.0}


def test_a_fixed_temperature_is_tried_once(brief: RecognitionEngine) -> None:
    result = transcript(brief, replace(hear(HIGH), temperature=0.0))

    assert {one.temperature for one in result.segments} == {0.0}


def test_the_same_recording_gives_the_same_text(brief: RecognitionEngine) -> None:
    request = replace(hear(HIGH), temperature=1.0, language="en")

    assert transcript(brief, request) == transcript(brief, request)


def test_a_prompt_is_no_part_of_the_text(engine: RecognitionEngine) -> None:
    assert transcript(engine, replace(hear(MIDDLE), prompt="Senses, MLX, Kokoro")).text == ENGLISH


@pytest.mark.parametrize("seconds", [0.05, 0.5, 30.01])
def test_recordings_of_any_length_end(engine: RecognitionEngine, seconds: float) -> None:
    result = transcript(engine, hear(MIDDLE, seconds))

    assert result.duration == pytest.approx(seconds, abs=0.001)
    assert all(0 <= one.start < one.end <= seconds for one in result.segments)


def test_every_number_can_be_written_as_json(engine: RecognitionEngine, brief: RecognitionEngine) -> None:
    for result in (transcript(engine, replace(hear(LOW), words=True)), transcript(brief, hear(HIGH))):
        assert json.loads(json.dumps(asdict(result), allow_nan=False))["duration"] == 3.0


def test_other_requests_and_rates_are_refused(engine: RecognitionEngine) -> None:
    with pytest.raises(InvalidInput, match="writes down recordings"):
        drive(engine, Speak("tiny", "hello"))
    with pytest.raises(BadMedia, match="8000"):
        drive(engine, Transcribe("tiny", Sound(8_000, bytes(16_000))))


def test_an_english_model_refuses_what_it_cannot_hear(checkpoint: Callable[[Build], Path]) -> None:
    engine = load(RecognitionEngine(), {"model": checkpoint(tone_whisper.build_english)})

    for request in (replace(hear(MIDDLE), language="ko"), replace(hear(MIDDLE), translate=True)):
        with pytest.raises(InvalidInput, match="English only"):
            drive(engine, request)


@pytest.mark.promise("models:incomplete-refused")
@pytest.mark.parametrize(
    "name", ["decoder.blocks.0.mlp1.weight", "encoder.conv2.weight", "decoder.token_embedding.weight"]
)
def test_a_missing_tensor_fails_the_load(tmp_path: Path, name: str) -> None:
    """The library would go on with random numbers in its place."""
    file = tone_whisper.build(tmp_path / "model") / "weights.safetensors"
    save_tensors(file, {key: value for key, value in load_tensors(file).items() if key != name})

    with pytest.raises(LoadFailed, match=f"1 tensors are missing, such as {name}"):
        load(RecognitionEngine(), {"model": file.parent})


def test_a_tensor_of_another_shape_fails_the_load(tmp_path: Path) -> None:
    file = tone_whisper.build(tmp_path / "model") / "weights.safetensors"
    save_tensors(file, {**load_tensors(file), "decoder.ln.weight": mx.ones((97,))})

    with pytest.raises(LoadFailed, match="another shape, such as decoder.ln.weight"):
        load(RecognitionEngine(), {"model": file.parent})


@pytest.mark.parametrize("content", ['{"model_type": "whisper"}', "{}", "not json"])
def test_what_is_no_whisper_fails_the_load(tmp_path: Path, content: str) -> None:
    folder = tone_whisper.build(tmp_path / "model")
    (folder / "config.json").write_text(content, encoding="utf-8")

    with pytest.raises(LoadFailed):
        load(RecognitionEngine(), {"model": folder})


def test_a_folder_without_weights_fails_the_load(tmp_path: Path) -> None:
    folder = tone_whisper.build(tmp_path / "model")
    (folder / "weights.safetensors").unlink()

    with pytest.raises(LoadFailed, match="no weights"):
        load(RecognitionEngine(), {"model": folder})


def test_the_library_comes_without_its_heavy_companions() -> None:
    """numba and scipy cost 120 MB and three seconds of every worker's start."""
    program = "import sys, model_runtime.engines.transcription.engine; print(sorted({'numba', 'scipy', 'torch'} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_nothing_is_printed(checkpoint: Callable[[Build], Path], capfd: pytest.CaptureFixture[str]) -> None:
    drive(load(RecognitionEngine(), {"model": checkpoint(tone_whisper.build)}), hear(MIDDLE))

    assert capfd.readouterr().out == ""
