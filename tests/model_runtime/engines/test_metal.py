"""What engines do only with Metal or only without it: both sides of every such decision, on any machine."""

import ast
import ctypes
import gc
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import mlx.core as mx
import pytest
from mlx import nn

from model_runtime.catalog import memory_estimate
from model_runtime.engines import dtype
from model_runtime.engines.blas import load_fast_blas
from model_runtime.engines.chat.grouped_attention import grouped_attention, ungrouped_attention
from model_runtime.engines.cpu_convolution import (
    conv1d,
    conv_transpose1d,
    library_conv1d,
    library_conv_transpose1d,
)
from model_runtime.engines.image.engine import ImageEngine
from model_runtime.engines.protocol import JobEngine, StepEngine
from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.loading import LoadedModel, LoadSpec
from tests.checkpoints import flux2_klein, kokoro, llama, qwen25_vl, tone_whisper
from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.weights import to_half_precision
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.metal import MAY_COMPILE, WORKING_SET_BYTES, compiled, report_metal
from tests.model_runtime.engines.step_engine_driver import chat, load, run_chat, solid_picture

pytestmark = pytest.mark.engines

Checkpoint = Callable[[CheckpointBuilder], Path]
ENGINES = Path(dtype.__file__).parent
DECIDING = (
    "upcast_on_cpu",
    "use_column_major_on_cpu",
    "install_grouped_attention",
    "install_cpu_convolutions",
    "load_whisper",
    "load",
)
"""The functions that decide by `computes_on_gpu`; `load` is the image engine's. Each has a test of both sides below."""
METAL = pytest.mark.parametrize("metal", [False, True], ids=["cpu", "metal"])


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """All functions and methods of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def mentions(function: ast.FunctionDef, names: set[str]) -> bool:
    """Whether a function uses one of these names or attributes."""
    used = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(function)}
    return bool(used & names)


def loaded(engine: StepEngine | JobEngine, folder: Path) -> LoadedModel:
    """Load a checkpoint."""
    with patched_widths():
        return engine.load(LoadSpec("tiny", "an-engine", {"model": str(folder)}), lambda _stage, _fraction: None)


def half_precision_copy(source: Path, target: Path) -> Path:
    """Copy a checkpoint with its weights in bfloat16."""
    shutil.copytree(source, target)
    for folder in (target, *(target / part for part in ("vae", "transformer", "text_encoder"))):
        to_half_precision(folder, mx.bfloat16)
    return target


def loaded_bytes(engine: StepEngine | JobEngine, folder: Path, *, metal: bool) -> int:
    """Load a checkpoint and return how much memory it takes."""
    gc.collect()
    before = mx.get_active_memory()
    with report_metal(available=metal):
        return loaded(engine, folder).active_bytes - before


def test_one_function_asks_where_mlx_computes_and_every_decision_by_it_is_tested() -> None:
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in ENGINES.rglob("*.py")}
    found = [function for tree in trees.values() for function in functions(tree)]

    asks = {function.name for function in found if mentions(function, {"is_available", "default_device"})}
    decides = [function.name for function in found if mentions(function, {"computes_on_gpu"})]

    assert asks == {"computes_on_gpu"}
    assert sorted(decides) == sorted(DECIDING)


@pytest.mark.promise("engines:half-precision-with-gpu")
@pytest.mark.parametrize(
    ("engine", "build"),
    [
        (TextEngine, llama.build_scripted),
        (VisionEngine, qwen25_vl.build),
        (SpeechEngine, kokoro.build),
        (TranscriptionEngine, tone_whisper.build),
        (ImageEngine, flux2_klein.build_original),
    ],
    ids=["text", "vision", "speech", "transcription", "image"],
)
def test_weights_stay_as_stored_with_metal_and_are_widened_without_as_estimated(
    engine: type[StepEngine | JobEngine], build: CheckpointBuilder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = half_precision_copy(checkpoint(build), tmp_path / "half")
    estimated = [memory_estimate.weights_bytes({"model": folder}, float32=float32) for float32 in (True, False)]

    widened, stored = (loaded_bytes(engine(), folder, metal=metal) for metal in (False, True))

    assert widened - stored == pytest.approx(estimated[0] - estimated[1], rel=0.1)


@MAY_COMPILE
@pytest.mark.parametrize(("block", "calls"), [(compiled, 1), (nullcontext, 2)])
def test_functions_are_compiled_only_where_a_test_asks_for_it(
    block: Callable[[], AbstractContextManager[None]], calls: int
) -> None:
    """MLX calls a function that it compiles once, and one that it does not each time."""
    called: list[mx.array] = []

    def plus_one(value: mx.array) -> mx.array:
        called.append(value)
        return value + 1

    function = mx.compile(plus_one)
    with block():
        mx.eval(function(mx.array(1.0)), function(mx.array(2.0)))

    assert len(called) == calls


@METAL
def test_only_a_cpu_gets_matrices_in_column_major_order(*, metal: bool) -> None:
    layer = nn.Linear(3, 5)

    with report_metal(available=metal):
        dtype.use_column_major_on_cpu(layer)

    assert memoryview(layer.weight).strides == ((12, 4) if metal else (4, 20))


@METAL
def test_only_a_cpu_gets_grouped_attention(checkpoint: Checkpoint, *, metal: bool) -> None:
    with report_metal(available=metal):
        load(TextEngine(), {"model": checkpoint(llama.build)})

        assert mx.fast.scaled_dot_product_attention is (ungrouped_attention if metal else grouped_attention)


@METAL
def test_only_a_cpu_gets_convolutions_as_matrix_products(checkpoint: Checkpoint, *, metal: bool) -> None:
    with report_metal(available=metal):
        loaded(SpeechEngine(), checkpoint(kokoro.build))

        expected = (library_conv1d, library_conv_transpose1d) if metal else (conv1d, conv_transpose1d)
        assert (mx.conv1d, mx.conv_transpose1d) == expected


@METAL
def test_pictures_are_compiled_only_for_metal(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, *, metal: bool
) -> None:
    switched_off: list[bool] = []
    monkeypatch.setattr(mx, "disable_compile", lambda: switched_off.append(True))

    with report_metal(available=metal):
        loaded(ImageEngine(), checkpoint(flux2_klein.build))

    assert switched_off == ([] if metal else [True])


@METAL
@pytest.mark.parametrize(
    ("engine", "build"), [(TextEngine, llama.build), (VisionEngine, qwen25_vl.build)], ids=["text", "vision"]
)
def test_memory_is_wired_only_for_metal_and_only_while_chats_run(
    engine: type[StepEngine],
    build: CheckpointBuilder,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    *,
    metal: bool,
) -> None:
    limits: list[int] = []

    def set_limit(limit: int) -> int:
        limits.append(limit)
        return 0

    monkeypatch.setattr(mx, "set_wired_limit", set_limit)
    model = load(engine(), {"model": checkpoint(build)})

    with report_metal(available=metal):
        run_chat(model, chat(*([solid_picture(60, 60, (9, 9, 9))] * (engine is VisionEngine)), "What?", max_tokens=2))
        during = list(limits)
        model.idle()

    assert (during, limits) == (([WORKING_SET_BYTES], [WORKING_SET_BYTES, 0]) if metal else ([], []))


@pytest.mark.parametrize("system", ["darwin", "linux"])
def test_openblas_is_loaded_only_on_linux(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delitem(sys.modules, "mlx.core")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name, mode: asked.append(name))

    load_fast_blas()

    assert bool(asked) is (system == "linux")
