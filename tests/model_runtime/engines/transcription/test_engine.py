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

from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.errors import Cancelled, InvalidInput, InvalidMedia, LoadFailed
from model_runtime.events import LanguageDetected, Progress, Segment, TranscriptionResult
from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.media.types import Audio
from model_runtime.requests import Speak, Transcribe
from tests.checkpoints import tone_whisper
from tests.checkpoints.tone_whisper import FIRST, HIGH, KOREAN, LOW, MIDDLE, SECOND, TRANSLATED
from tests.checkpoints.weights import load_tensors, save_tensors
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import CancelAfter, audio_of, events_of_type, load, run_to_end

pytestmark = pytest.mark.engines

ENGLISH = f"{FIRST} {SECOND}"


@pytest.fixture(scope="module")
def engine(checkpoint: Callable[[CheckpointBuilder], Path]) -> TranscriptionEngine:
    """The layout of large-v3-turbo."""
    return load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build)})


@pytest.fixture(scope="module")
def brief(checkpoint: Callable[[CheckpointBuilder], Path]) -> TranscriptionEngine:
    """Says 32 tokens at most."""
    return load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build_short_context)})


def hear(tone: str, seconds: float = 3.0, level: float = 0.3) -> Transcribe:
    """A request to write down one tone."""
    return Transcribe("tiny", audio_of(tone_whisper.sound(tone, seconds, level=level)))


def transcript(engine: TranscriptionEngine, request: Transcribe) -> TranscriptionResult:
    """The end of a transcription."""
    result = run_to_end(engine, request)[-1]
    assert isinstance(result, TranscriptionResult)
    return result


@pytest.mark.promise("transcription:text-and-times")
def test_speech_becomes_text_with_times_and_language(engine: TranscriptionEngine) -> None:
    result = transcript(engine, hear(MIDDLE))

    assert (result.text, result.language, result.duration_seconds) == (ENGLISH, "en", 3.0)
    assert [(one.id, one.text, one.start, one.end) for one in result.segments] == [
        (0, f" {FIRST}", 0.0, 1.0),
        (1, f" {SECOND}", 1.02, 2.5),
    ]


def test_another_tone_is_another_language(engine: TranscriptionEngine) -> None:
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
def test_every_published_layout_is_read(
    checkpoint: Callable[[CheckpointBuilder], Path], build: CheckpointBuilder
) -> None:
    engine = load(TranscriptionEngine(), {"model": checkpoint(build)})

    assert transcript(engine, hear(MIDDLE)).text == ENGLISH


@pytest.mark.promise("transcription:translate")
def test_translation_answers_in_english(engine: TranscriptionEngine) -> None:
    assert transcript(engine, replace(hear(LOW), translate=True)).text == TRANSLATED


def test_the_language_found_is_told_before_the_text_with_how_sure_it_is(engine: TranscriptionEngine) -> None:
    events = run_to_end(engine, hear(LOW))

    kinds = [type(event) for event in events if not isinstance(event, Progress)]
    assert kinds == [LanguageDetected, Segment, TranscriptionResult]
    assert events_of_type(LanguageDetected, events) == [LanguageDetected("ko", 1.0)]


@pytest.mark.parametrize("language", ["EN", "en-US"])
def test_a_language_that_was_given_is_not_looked_for(engine: TranscriptionEngine, language: str) -> None:
    events = run_to_end(engine, replace(hear(MIDDLE), language=language))

    assert events_of_type(LanguageDetected, events) == []
    assert events_of_type(TranscriptionResult, events)[0].text == ENGLISH


@pytest.mark.promise("transcription:silence-is-silent")
@pytest.mark.parametrize("kind", ["silence", "faint noise", "loud noise"])
def test_where_nobody_speaks_nothing_is_written(engine: TranscriptionEngine, kind: str) -> None:
    noise = np.random.default_rng(0).standard_normal(4 * 16_000)
    levels = {"silence": 0.0, "faint noise": 0.001, "loud noise": 0.3}

    result = transcript(engine, Transcribe("tiny", audio_of(noise * levels[kind])))

    assert (result.text, result.segments, result.language) == ("", (), "")


@pytest.mark.parametrize("level", [0.02, 0.1, 1.0])
def test_loudness_does_not_matter(engine: TranscriptionEngine, level: float) -> None:
    assert transcript(engine, hear(MIDDLE, level=level)).text == ENGLISH


@pytest.mark.parametrize("kind", ["mp3", "opus"])
def test_uploads_of_any_format_are_understood(engine: TranscriptionEngine, kind: str) -> None:
    pcm = (tone_whisper.sound(MIDDLE, 3.0, rate=24_000) * 32767).astype("<i2").tobytes()

    heard = decode_audio(encode_speech(pcm, 24_000, kind))

    assert transcript(engine, Transcribe("tiny", heard)).text == ENGLISH


@pytest.mark.promise("transcription:segments-stream")
def test_segments_arrive_window_by_window_long_before_the_end(engine: TranscriptionEngine) -> None:
    """Thirty seconds of one tone, then ten of another: the first text is there while the second is unheard."""
    samples = np.concatenate([tone_whisper.sound(LOW, 30), tone_whisper.sound(MIDDLE, 10)])
    events = run_to_end(engine, replace(Transcribe("tiny", audio_of(samples)), language="ko"))

    texts = [(place, event.text) for place, event in enumerate(events) if isinstance(event, Segment)]
    done = [(place, event.done) for place, event in enumerate(events) if isinstance(event, Progress)]
    assert texts[0][1] == f" {KOREAN}"
    assert texts[-1][1] == f" {SECOND}"
    assert texts[0][0] < min(place for place, seconds in done if seconds > 0)
    assert [seconds for _, seconds in done] == sorted(seconds for _, seconds in done)
    assert (done[0][1], done[-1][1]) == (0.0, 40.0)


def test_a_silent_middle_is_passed_over(engine: TranscriptionEngine) -> None:
    samples = np.concatenate(
        [tone_whisper.sound(MIDDLE, 30), tone_whisper.sound("", 30), tone_whisper.sound(MIDDLE, 5)]
    )

    result = transcript(engine, Transcribe("tiny", audio_of(samples)))

    assert result.segments[-1].end > 60
    assert not [one for one in result.segments if 31 < one.start < 59]


@pytest.mark.promise("transcription:words")
def test_words_have_their_own_times(engine: TranscriptionEngine) -> None:
    result = transcript(engine, replace(hear(LOW), word_timestamps=True))

    (segment,) = result.segments
    assert "".join(word.word for word in segment.words) == f" {KOREAN}"
    assert all(0 <= word.start <= word.end <= 3 for word in segment.words)
    assert [word.start for word in segment.words] == sorted(word.start for word in segment.words)
    assert segment.words[-1].start > 1.5


def test_words_are_not_timed_unasked(engine: TranscriptionEngine) -> None:
    assert all(not one.words for one in transcript(engine, hear(MIDDLE)).segments)


@pytest.mark.promise("transcription:cancel-at-once")
def test_a_cancelled_job_ends_within_a_token(engine: TranscriptionEngine) -> None:
    """The high tone makes the decoder talk for ever; every token asks once."""
    check = CancelAfter(12)

    with pytest.raises(Cancelled):
        run_to_end(engine, replace(hear(HIGH), language="en"), check)

    assert check.remaining_calls == 0


def test_the_engine_works_on_after_a_cancelled_job(engine: TranscriptionEngine) -> None:
    with pytest.raises(Cancelled):
        run_to_end(engine, replace(hear(HIGH), language="en"), CancelAfter(12))

    assert transcript(engine, hear(MIDDLE)).text == ENGLISH


def test_endless_text_ends_and_is_tried_at_every_temperature(brief: TranscriptionEngine) -> None:
    result = transcript(brief, hear(HIGH))

    assert {one.temperature for one in result.segments} == {1.0}


def test_a_fixed_temperature_is_tried_once(brief: TranscriptionEngine) -> None:
    result = transcript(brief, replace(hear(HIGH), temperature=0.0))

    assert {one.temperature for one in result.segments} == {0.0}


def test_the_same_recording_gives_the_same_text(brief: TranscriptionEngine) -> None:
    request = replace(hear(HIGH), temperature=1.0, language="en")

    assert transcript(brief, request) == transcript(brief, request)


def test_a_prompt_is_no_part_of_the_text(engine: TranscriptionEngine) -> None:
    assert transcript(engine, replace(hear(MIDDLE), prompt="Senses, MLX, Kokoro")).text == ENGLISH


@pytest.mark.parametrize("seconds", [0.05, 0.5, 30.01])
def test_recordings_of_any_length_end(engine: TranscriptionEngine, seconds: float) -> None:
    result = transcript(engine, hear(MIDDLE, seconds))

    assert result.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert all(0 <= one.start < one.end <= seconds for one in result.segments)


def test_every_number_can_be_written_as_json(engine: TranscriptionEngine, brief: TranscriptionEngine) -> None:
    for result in (transcript(engine, replace(hear(LOW), word_timestamps=True)), transcript(brief, hear(HIGH))):
        assert json.loads(json.dumps(asdict(result), allow_nan=False))["duration_seconds"] == 3.0


def test_other_requests_and_rates_are_refused(engine: TranscriptionEngine) -> None:
    with pytest.raises(InvalidInput, match="only supports transcription"):
        run_to_end(engine, Speak("tiny", "hello"))
    with pytest.raises(InvalidMedia, match="8000"):
        run_to_end(engine, Transcribe("tiny", Audio(8_000, bytes(16_000))))


def test_an_english_model_refuses_what_it_cannot_hear(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    engine = load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build_english)})

    for request in (replace(hear(MIDDLE), language="ko"), replace(hear(MIDDLE), translate=True)):
        with pytest.raises(InvalidInput, match="only supports English"):
            run_to_end(engine, request)


@pytest.mark.promise("models:incomplete-refused")
@pytest.mark.parametrize(
    "name", ["decoder.blocks.0.mlp1.weight", "encoder.conv2.weight", "decoder.token_embedding.weight"]
)
def test_a_missing_tensor_fails_the_load(tmp_path: Path, name: str) -> None:
    """The library would go on with random numbers in its place."""
    file = tone_whisper.build(tmp_path / "model") / "weights.safetensors"
    save_tensors(file, {key: value for key, value in load_tensors(file).items() if key != name})

    with pytest.raises(LoadFailed, match=f"1 tensors are missing, such as {name}"):
        load(TranscriptionEngine(), {"model": file.parent})


def test_a_tensor_of_another_shape_fails_the_load(tmp_path: Path) -> None:
    file = tone_whisper.build(tmp_path / "model") / "weights.safetensors"
    save_tensors(file, {**load_tensors(file), "decoder.ln.weight": mx.ones((97,))})

    with pytest.raises(LoadFailed, match="another shape, such as decoder.ln.weight"):
        load(TranscriptionEngine(), {"model": file.parent})


@pytest.mark.parametrize("content", ['{"model_type": "whisper"}', "{}", "not json"])
def test_what_is_no_whisper_fails_the_load(tmp_path: Path, content: str) -> None:
    folder = tone_whisper.build(tmp_path / "model")
    (folder / "config.json").write_text(content, encoding="utf-8")

    with pytest.raises(LoadFailed):
        load(TranscriptionEngine(), {"model": folder})


def test_a_folder_without_weights_fails_the_load(tmp_path: Path) -> None:
    folder = tone_whisper.build(tmp_path / "model")
    (folder / "weights.safetensors").unlink()

    with pytest.raises(LoadFailed, match="no weights"):
        load(TranscriptionEngine(), {"model": folder})


def test_the_library_comes_without_its_heavy_companions() -> None:
    """numba and scipy cost 120 MB and three seconds of every worker's start."""
    program = "import sys, model_runtime.engines.transcription.engine; print(sorted({'numba', 'scipy', 'torch'} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_nothing_is_printed(checkpoint: Callable[[CheckpointBuilder], Path], capfd: pytest.CaptureFixture[str]) -> None:
    run_to_end(load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build)}), hear(MIDDLE))

    assert capfd.readouterr().out == ""
