"""Checkpoints that must not be loaded, each with a sentence that helps."""

import gc
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest

from model_runtime.catalog import memory_estimate
from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec
from tests.checkpoints import llama, moondream2, qwen25_vl
from tests.checkpoints.weights import copy_with, to_half_precision
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, run_chat, solid_picture

pytestmark = pytest.mark.engines

Checkpoint = Callable[[CheckpointBuilder], Path]


def refuse(engine: type[VisionEngine | TextEngine], folder: Path, words: str) -> str:
    """Loading fails with these words; return all of them."""
    with pytest.raises(LoadFailed, match=words) as failed:
        load(engine(), {"model": folder})
    return str(failed.value)


@pytest.mark.promise("models:no-foreign-code")
@pytest.mark.parametrize(("engine", "build"), [(VisionEngine, qwen25_vl.build), (TextEngine, llama.build)])
def test_code_that_a_checkpoint_brings_is_never_run(
    engine: type[VisionEngine | TextEngine], build: CheckpointBuilder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    folder = copy_with(checkpoint(build), tmp_path / "model", config={"model_file": "evil.py"})
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')")

    refuse(engine, folder, r"its own Python file 'evil\.py'. Senses never runs code")

    assert not ran.exists()


@pytest.mark.promise("models:no-foreign-code")
def test_code_that_a_configuration_points_to_is_never_run(checkpoint: Checkpoint, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    places = {"AutoConfig": "evil.Config", "AutoProcessor": "evil.P", "AutoTokenizer": ["evil.T", "evil.T"]}
    folder = copy_with(checkpoint(qwen25_vl.build), tmp_path / "model", config={"auto_map": places})
    (folder / "evil.py").write_text(
        f"open({str(ran)!r}, 'w')\nclass Config: model_type = 'x'\nclass P: pass\nclass T: pass\n"
    )

    load(VisionEngine(), {"model": folder})
    (folder / "tokenizer.json").unlink()
    refuse(VisionEngine, folder, "tokenizer")

    assert not ran.exists()


@pytest.mark.parametrize(("engine", "build"), [(VisionEngine, qwen25_vl.build), (TextEngine, llama.build)])
def test_a_missing_tensor_is_named(
    engine: type[VisionEngine | TextEngine], build: CheckpointBuilder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = copy_with(checkpoint(build), tmp_path / "model", drop="layers.1.mlp.down_proj.weight")

    message = refuse(engine, folder, r"layers\.1\.mlp\.down_proj\.weight")

    assert "Download the model again" in message


def test_a_model_whose_vision_tower_is_missing_is_not_loaded_as_one_that_sees(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = copy_with(checkpoint(qwen25_vl.build), tmp_path / "model", drop="vision_tower")

    refuse(VisionEngine, folder, "no tensors of its vision tower")


@pytest.mark.promise("models:broken-download")
def test_a_shard_that_ends_early_is_found_before_loading(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = copy_with(checkpoint(qwen25_vl.build), tmp_path / "model")
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1000])

    refuse(VisionEngine, folder, r"model-00002-of-00002\.safetensors is cut short")


@pytest.mark.parametrize(("engine", "build"), [(VisionEngine, qwen25_vl.build), (TextEngine, llama.build)])
def test_a_model_without_its_tokenizer_is_refused(
    engine: type[VisionEngine | TextEngine], build: CheckpointBuilder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = copy_with(checkpoint(build), tmp_path / "model")
    (folder / "tokenizer.json").unlink()

    refuse(engine, folder, "tokenizer")


def test_a_text_model_is_not_served_as_one_that_sees(checkpoint: Checkpoint) -> None:
    refuse(VisionEngine, checkpoint(llama.build), "is not a vision model: .*'llama' without a vision_config.*mlx-lm")


@pytest.mark.parametrize("engine", [VisionEngine, TextEngine])
def test_a_family_that_the_libraries_do_not_know_is_named(
    engine: type[VisionEngine | TextEngine], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = copy_with(checkpoint(qwen25_vl.build), tmp_path / "model", config={"model_type": "whisper"})

    refuse(engine, folder, "'whisper'. Choose another model")


def test_moondream_without_its_tokenizer_says_where_it_is(checkpoint: Checkpoint) -> None:
    refuse(VisionEngine, checkpoint(moondream2.build), "moondream/starmie-v1")


def test_weights_of_another_moondream_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = copy_with(checkpoint(moondream2.build), tmp_path / "model", drop="model.text.blocks.1.")

    with pytest.raises(LoadFailed, match=r"text\.model\.layers\.1"):
        load(VisionEngine(), {"model": folder, "tokenizer": checkpoint(moondream2.build_tokenizer)})


def test_a_loaded_model_says_what_it_holds(checkpoint: Checkpoint) -> None:
    folder = checkpoint(llama.build)
    before = mx.get_active_memory()

    loaded = TextEngine().load(LoadSpec("a-model", "mlx-lm", {"model": str(folder)}), lambda _stage, _fraction: None)

    assert loaded.context_tokens == 4096
    assert 0 < loaded.weights_bytes < (folder / "model.safetensors").stat().st_size
    assert loaded.active_bytes - before < 1.3 * loaded.weights_bytes
    assert loaded.peak_bytes >= loaded.active_bytes


@pytest.mark.promise("engines:full-precision-without-gpu")
@pytest.mark.skipif(mx.metal.is_available(), reason="a GPU computes in half precision")
@pytest.mark.parametrize(
    ("engine", "build", "dtype"),
    [(VisionEngine, qwen25_vl.build, mx.float16), (TextEngine, llama.build, mx.bfloat16)],
)
def test_half_precision_is_widened_without_a_gpu_as_estimated(
    engine: type[VisionEngine | TextEngine],
    build: CheckpointBuilder,
    dtype: mx.Dtype,
    checkpoint: Checkpoint,
    tmp_path: Path,
) -> None:
    folder = to_half_precision(copy_with(checkpoint(build), tmp_path / "half"), dtype)
    stored = memory_estimate.weights_bytes({"model": folder})

    loaded = engine().load(LoadSpec("half", "an-engine", {"model": str(folder)}), lambda _stage, _fraction: None)

    assert stored < loaded.weights_bytes == memory_estimate.weights_bytes({"model": folder}, float32=True)


@pytest.mark.promise("engines:memory-returns")
def test_a_dropped_engine_gives_its_memory_back(checkpoint: Checkpoint) -> None:
    gc.collect()
    before = mx.get_active_memory()
    engine = load(VisionEngine(), {"model": checkpoint(qwen25_vl.build)})
    run_chat(engine, chat(solid_picture(60, 90, (9, 9, 9)), "What is this?"))
    held = mx.get_active_memory()

    engine.idle()
    assert mx.get_cache_memory() == 0
    del engine
    gc.collect()

    assert held - before > 400_000
    assert mx.get_active_memory() - before < 20_000
