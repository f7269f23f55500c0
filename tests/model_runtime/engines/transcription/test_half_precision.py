"""Whisper in half precision, as with Metal, where every checkpoint is loaded in float16."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx
import pytest

from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.events import TranscriptionResult
from model_runtime.media.audio import decode_audio
from model_runtime.requests import Transcribe
from tests.checkpoints import tone_whisper
from tests.checkpoints.tone_whisper import LOW
from tests.checkpoints.weights import to_half_precision
from tests.meaning.in_process import load_starter
from tests.meaning.recordings import clip
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import audio_of, load, run_to_end
from tests.model_runtime.engines.metal import MAY_COMPILE, compiled, report_metal

pytestmark = [pytest.mark.engines, pytest.mark.promise("engines:half-precision-with-gpu")]

LOGPROB_ERROR = 0.02
"""Of the mean log probability of a segment."""


def heard(load_engine: Callable[[], TranscriptionEngine], request: Transcribe, *, metal: bool) -> TranscriptionResult:
    """The transcript of a recording."""
    with report_metal(available=metal):
        result = run_to_end(load_engine(), request)[-1]
    assert isinstance(result, TranscriptionResult)
    return result


@pytest.mark.parametrize(
    ("dtype", "compiles"),
    [(mx.float16, False), pytest.param(mx.bfloat16, True, marks=MAY_COMPILE)],
    ids=["f16", "bf16-compiled"],
)
def test_a_model_stored_in_half_precision_hears_with_metal_what_it_hears_without(
    dtype: mx.Dtype, checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path, *, compiles: bool
) -> None:
    folder = to_half_precision(Path(shutil.copytree(checkpoint(tone_whisper.build), tmp_path / "half")), dtype)
    request = Transcribe("tiny", audio_of(tone_whisper.sound(LOW, 3.0)), word_timestamps=True)

    with compiled() if compiles else nullcontext():
        full, half = (
            heard(lambda: load(TranscriptionEngine(), {"model": folder}), request, metal=metal)
            for metal in (False, True)
        )

    assert half.text == tone_whisper.KOREAN
    assert half == full


def test_the_starter_hears_the_same_words_as_surely() -> None:
    said = clip("red-circle-above-blue-square")
    request = Transcribe("stt-starter", decode_audio(said.file))

    full, half = (heard(lambda: load_starter("stt-starter"), request, metal=metal) for metal in (False, True))

    assert half.text == said.text
    assert [segment.tokens for segment in half.segments] == [segment.tokens for segment in full.segments]
    for one, other in zip(half.segments, full.segments, strict=True):
        assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=LOGPROB_ERROR)
        assert one.avg_logprob != other.avg_logprob
