"""Recordings and texts that take turns in one worker end exactly as if each were alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.catalog.builtin_models import REAL_MODELS, STARTER_FOLDER, STARTER_MODELS
from model_runtime.catalog.detect import detect_model
from model_runtime.engines.protocol import EngineOutput, JobEngine
from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.errors import SensesError
from model_runtime.events import Progress, Result, SpeechResult
from model_runtime.requests import Request, Speak, Task, Transcribe
from model_runtime.worker.serial_engine import SerialEngine
from tests.checkpoints import kokoro, marvis, qwen3_tts, tone_whisper
from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.tone_whisper import HIGH, LOW, MIDDLE
from tests.meaning.in_process import load_starter
from tests.meaning.recordings import clip
from tests.meaning.sounds import decode_samples
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import audio_of, load, run_to_end

pytestmark = pytest.mark.engines

Outputs = dict[int, list[EngineOutput]]
TEXTS = (
    "A small red circle. Good evening. Three one four. Draw a green star.",
    "Good night. A blue square.",
    "Please open the file.",
)


def narrow(folders: dict[str, Path]) -> SpeechEngine:
    """Load a narrow checkpoint."""
    with patched_widths():
        return load(SpeechEngine(), folders)


def in_turns(engine: JobEngine, requests: Sequence[Request]) -> tuple[Outputs, list[int]]:
    """Run all requests at once; return the outputs of each, and in which order the engine made them."""
    serial = SerialEngine(engine, lambda job: None)
    for job, request in enumerate(requests):
        serial.submit(job, request)
    outputs: Outputs = {job: [] for job in range(len(requests))}
    order, running = [], set(outputs)
    while running:
        for job, output in serial.step():
            outputs[job].append(output)
            order.append(job)
            if isinstance(output, Result | SensesError):
                running.discard(job)
    return outputs, order


def assert_same_in_turns(engine: JobEngine, requests: Sequence[Request]) -> None:
    """Check that each request has the outputs that it has alone, although they took turns."""
    alone = {job: run_to_end(engine, request) for job, request in enumerate(requests)}

    outputs, order = in_turns(engine, requests)

    assert outputs == alone
    assert order != sorted(order)


@pytest.mark.promise("reliability:turns-change-nothing")
@pytest.mark.parametrize("words", [False, True], ids=["segments", "words"])
def test_recordings_in_turns_are_written_as_if_each_were_alone(*, words: bool) -> None:
    engine = load_starter("stt-starter")
    clips = [decode_samples(clip(name).file) for name in ("two-sentences", "draw-a-small-green-star", "letters")]
    long = audio_of(np.tile(np.concatenate(clips), 5))
    requests = [
        Transcribe("stt-starter", audio, word_timestamps=words)
        for audio in (long, audio_of(clips[1]), audio_of(clips[2]))
    ]

    assert_same_in_turns(engine, requests)


@pytest.mark.promise("reliability:turns-change-nothing")
def test_recordings_in_turns_draw_the_same_random_tokens_and_keep_their_language(
    checkpoint: Callable[[CheckpointBuilder], Path],
) -> None:
    engine = load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build_short_context)})
    sounds = [tone_whisper.sound(tone, seconds) for tone, seconds in ((HIGH, 40.0), (LOW, 32.0), (MIDDLE, 3.0))]

    assert_same_in_turns(engine, [Transcribe("tiny", audio_of(sound), temperature=0.9) for sound in sounds])
    assert_same_in_turns(engine, [Transcribe("tiny", audio_of(sound), temperature=0.0) for sound in sounds])


def test_the_progress_of_a_recording_ends_at_its_end() -> None:
    engine = load_starter("stt-starter")
    samples = decode_samples(clip("letters").file)[:-7]  # not a whole number of frames

    outputs = run_to_end(engine, Transcribe("stt-starter", audio_of(samples)))

    progress = [output for output in outputs if isinstance(output, Progress)]
    assert progress[-1].done == progress[-1].total


@pytest.mark.promise("reliability:turns-change-nothing")
@pytest.mark.parametrize("family", ["starter", "kokoro"])
def test_texts_in_turns_are_spoken_as_if_each_were_alone(
    family: str, checkpoint: Callable[[CheckpointBuilder], Path]
) -> None:
    folder = STARTER_FOLDER / "tts-starter" if family == "starter" else checkpoint(kokoro.build)
    engine = narrow({"model": folder}) if family == "kokoro" else load(SpeechEngine(), {"model": folder})

    assert_same_in_turns(engine, [Speak("tiny", text) for text in TEXTS])


@pytest.mark.promise("reliability:turns-change-nothing")
@pytest.mark.parametrize("build", [marvis.build, qwen3_tts.build], ids=["marvis", "qwen3"])
def test_voices_that_keep_their_state_on_the_model_speak_one_text_after_another(
    build: CheckpointBuilder, checkpoint: Callable[[CheckpointBuilder], Path]
) -> None:
    folder = checkpoint(build)
    engine = narrow({"model": folder, "codec": checkpoint(marvis.build_codec)})
    requests = [Speak("tiny", text) for text in TEXTS[1:]]

    outputs, order = in_turns(engine, requests)

    assert order == sorted(order)
    assert all(isinstance(outputs[job][-1], SpeechResult) for job in outputs)
    assert detect_model("mine", folder).concurrency == 1


def test_a_paused_recording_holds_less_than_a_megabyte_of_the_gpu(
    checkpoint: Callable[[CheckpointBuilder], Path],
) -> None:
    engine = load(TranscriptionEngine(), {"model": checkpoint(tone_whisper.build)})
    requests = [Transcribe("tiny", audio_of(tone_whisper.sound(MIDDLE, 8.0))) for _ in range(3)]
    run_to_end(engine, requests[0])
    engine.idle()
    before = mx.get_active_memory()
    serial = SerialEngine(engine, lambda job: None)
    for job, request in enumerate(requests):
        serial.submit(job, request)
    windows: dict[int, int] = dict.fromkeys(range(3), 0)

    while min(windows.values()) < 2:
        for job, output in serial.step():
            windows[job] += isinstance(output, Progress)

    assert mx.get_active_memory() - before < 3_000_000


def test_the_catalogue_lets_recordings_and_sentences_take_turns() -> None:
    concurrency = {model.name: model.concurrency for model in (*REAL_MODELS, *STARTER_MODELS)}
    tasks = {model.name: model.task for model in (*REAL_MODELS, *STARTER_MODELS)}

    assert {concurrency[name] for name, task in tasks.items() if task is Task.TRANSCRIPTION} == {3}
    assert {concurrency[name] for name, task in tasks.items() if task is Task.IMAGE} == {1}
    assert (concurrency["tts-fast"], concurrency["tts-starter"]) == (2, 2)
    assert (concurrency["tts-stream"], concurrency["tts-multilingual"]) == (1, 1)
