"""With a GPU, weights and MLX stay as they are: what makes a CPU fast is left out.

MLX computes on this machine's CPU; only what the engines ask of it has the answer of a Mac.
"""

from pathlib import Path

import mlx.core as mx
import pytest
from mlx import nn
from mlx.utils import tree_flatten

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines import cpu_convolution
from model_runtime.engines.chat import grouped_attention
from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.image.engine import ImageEngine
from model_runtime.engines.speech.kokoro import Kokoro
from model_runtime.engines.transcription.whisper_loading import load_whisper
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("metal")]


@pytest.fixture
def metal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, as far as the engines ask."""
    monkeypatch.setattr(mx.metal, "is_available", lambda: True)
    monkeypatch.setattr(mx, "default_device", lambda: mx.Device(mx.gpu))


@pytest.mark.promise("macos:untuned")
def test_weights_keep_their_precision_and_their_layout() -> None:
    layer = nn.Linear(3, 2)
    layer.set_dtype(mx.bfloat16)

    evaluate_weights(layer)

    assert {weight.dtype for _, weight in tree_flatten(layer.parameters())} == {mx.bfloat16}
    assert memoryview(layer.weight.astype(mx.float32)).c_contiguous


@pytest.mark.promise("macos:untuned")
def test_mlx_keeps_its_own_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    own = object()
    monkeypatch.setattr(mx.fast, "scaled_dot_product_attention", own)

    grouped_attention.install_grouped_attention()

    assert mx.fast.scaled_dot_product_attention is own


@pytest.mark.promise("macos:untuned")
def test_pictures_are_computed_with_compiled_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disabled: list[bool] = []
    monkeypatch.setattr(mx, "disable_compile", lambda: disabled.append(True))

    with pytest.raises(LoadFailed):
        ImageEngine().load(LoadSpec("a-model", "mflux", {"model": str(tmp_path)}), lambda _stage, _fraction: None)

    assert disabled == []


def test_whisper_computes_in_half_precision() -> None:
    model = load_whisper(LoadSpec("stt-starter", "mlx-whisper", {"model": str(STARTER_FOLDER / "stt-starter")}))

    precisions = {weight.dtype for _, weight in tree_flatten(model.parameters())}
    assert {dtype for dtype in precisions if mx.issubdtype(dtype, mx.floating)} == {mx.float16}


class FakeVoice:
    """Stands in for Kokoro's network, and returns ten samples."""

    sample_rate = 24_000
    vocab = "abcdefghijklmnopqrstuvwxyzəɐɛɪʊɔɹ"

    def __call__(self, phonemes: str, style: mx.array, speed: float) -> mx.array:
        return mx.zeros((1, 10)) + style[0, 0]


def test_a_voice_in_half_precision_speaks(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    styles = mx.zeros((510, 1, 256), mx.float16)
    mx.save_safetensors(str(tmp_path / "voices" / "af_heart.safetensors"), {"voice": styles})

    spoken = list(Kokoro(FakeVoice(), tmp_path).speak("A.", VoiceSelection("af_heart", "es"), 1.0, lambda: None))

    assert spoken


@pytest.mark.promise("macos:untuned")
def test_mlx_keeps_its_own_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    names, own = ("conv1d", "conv_transpose1d"), object()
    for name in names:
        monkeypatch.setattr(mx, name, own)

    cpu_convolution.install_cpu_convolutions()

    assert [getattr(mx, name) for name in names] == [own, own]
