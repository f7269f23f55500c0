"""Voices in half precision, as with Metal: their sound is near that in float32, and one that is no sound is refused."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.errors import JobFailed
from model_runtime.events import AudioChunk
from model_runtime.requests import Speak
from tests.checkpoints import kokoro, marvis, qwen3_tts
from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.weights import load_tensors, save_tensors, to_half_precision
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import events_of_type, load, run_to_end
from tests.model_runtime.engines.metal import MAY_COMPILE, compiled, report_metal

pytestmark = pytest.mark.engines

Checkpoint = Callable[[CheckpointBuilder], Path]


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models never find an end; less than a second of them is enough."""
    for module in ("marvis", "qwen3_tts"):
        monkeypatch.setattr(f"model_runtime.engines.speech.{module}.max_audio_seconds", lambda _: 0.7)


def spoken(folders: dict[str, Path], *, metal: bool, compiles: bool = False) -> np.ndarray:
    """Samples (samples,) in -1..1 of a sentence; the engine refuses those that are not finite."""
    narrow = nullcontext() if STARTER_FOLDER in folders["model"].parents else patched_widths()
    with report_metal(available=metal), compiled() if compiles else nullcontext(), narrow:
        engine = load(SpeechEngine(), folders)
        events = run_to_end(engine, Speak("tiny", "A red circle."))
    return np.frombuffer(b"".join(chunk.pcm for chunk in events_of_type(AudioChunk, events)), "<i2") / 32768


def half_precision(folder: Path, target: Path, dtype: mx.Dtype) -> Path:
    """Copy a checkpoint in half precision, with its voices."""
    shutil.copytree(folder, target)
    for part in (target, target / "voices"):
        to_half_precision(part, dtype)
    return target


@pytest.mark.promise("engines:half-precision-with-gpu")
@pytest.mark.parametrize(
    ("dtype", "compiles"),
    [(mx.float16, False), pytest.param(mx.bfloat16, True, marks=MAY_COMPILE)],
    ids=["f16", "bf16-compiled"],
)
def test_kokoro_sounds_in_half_precision_as_in_full(
    dtype: mx.Dtype, checkpoint: Checkpoint, tmp_path: Path, *, compiles: bool
) -> None:
    folder = half_precision(checkpoint(kokoro.build), tmp_path / "half", dtype)

    full = spoken({"model": folder}, metal=False)
    half = spoken({"model": folder}, metal=True, compiles=compiles)

    assert 0.99 < np.corrcoef(half, full)[0, 1] < 1  # measured: 0.998 in float16, 0.997 in bfloat16


@pytest.mark.promise("engines:half-precision-with-gpu")
def test_the_starter_speaks_in_full_precision_with_metal_too() -> None:
    folder = {"model": STARTER_FOLDER / "tts-starter"}

    # measured: at most 0.006 in the whole suite; 0.043 in float16 and 0.47 in bfloat16
    np.testing.assert_allclose(spoken(folder, metal=True), spoken(folder, metal=False), atol=0.02)


@pytest.mark.parametrize(
    ("build", "dtype"),
    [(marvis.build, mx.float16), (marvis.build, mx.bfloat16), (qwen3_tts.build, mx.bfloat16)],
    ids=["marvis-f16", "marvis-bf16", "qwen3-bf16"],
)
def test_models_that_draw_their_sounds_at_random_speak_as_long(
    build: CheckpointBuilder, dtype: mx.Dtype, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """One draw that falls otherwise changes all after it, so their samples are finite and audible, but not compared."""
    folders = {
        "model": half_precision(checkpoint(build), tmp_path / "half", dtype),
        "codec": checkpoint(marvis.build_codec),
    }

    full, half = (spoken(folders, metal=metal) for metal in (False, True))

    assert len(half) == len(full)
    assert half.std() > 0.001


@pytest.mark.promise("speech:finite")
def test_sound_that_is_not_finite_is_an_error_and_not_silence(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint(kokoro.build), tmp_path / "broken"))
    file = folder / "kokoro-v1_0.safetensors"
    weights = load_tensors(file)
    (name,) = (name for name in weights if name.endswith("generator.conv_post.bias"))
    save_tensors(file, weights | {name: mx.full(weights[name].shape, mx.nan)})

    with pytest.raises(JobFailed, match=r"tiny produced invalid sound \(NaN or infinity\). Try another text or voice."):
        spoken({"model": folder}, metal=False)
