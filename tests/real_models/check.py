"""Compare a converted model with the library's own: every tensor's name and shape."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

Shapes = dict[str, tuple[int, ...]]


class WrongTensors(Exception):
    """Tensors are missing, surplus or of another shape."""


def check_tensors(converter: str, folder: Path) -> int:
    """Return how many tensors the folder's weights have.

    Raises:
        WrongTensors: they are not those of the library that loads the model.
    """
    expected, found = SHAPES[converter](folder)
    wrong = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    if wrong:
        listed = ", ".join(f"{name}: {found.get(name)} for {expected.get(name)}" for name in sorted(wrong)[:5])
        raise WrongTensors(f"{len(wrong)} of {len(expected)} tensors of {folder.name} are wrong: {listed}")
    return len(found)


def _of_whisper(folder: Path) -> tuple[Shapes, Shapes]:
    from mlx_whisper.whisper import ModelDimensions, Whisper

    config = _config(folder)
    config.pop("model_type")
    expected, found = _parameters(Whisper(ModelDimensions(**config))), _shapes(_load(folder / "weights.safetensors"))
    expected["alignment_heads"] = (found["alignment_heads"][0], 2)  # how many heads align differs by model
    return expected, found


def _of_kokoro(folder: Path) -> tuple[Shapes, Shapes]:
    from mlx_audio.tts.models.kokoro.kokoro import Model, ModelConfig

    model = Model(ModelConfig.from_dict(_config(folder)))
    return _parameters(model), _shapes(model.sanitize(_load(folder / "kokoro-v1_0.safetensors")))


def _of_llama(folder: Path) -> tuple[Shapes, Shapes]:
    from mlx_lm.models.llama import Model, ModelArgs

    model = Model(ModelArgs.from_dict(_config(folder)))
    return _parameters(model), _shapes(model.sanitize(_load(folder / "model.safetensors")))


SHAPES: Mapping[str, Callable[[Path], tuple[Shapes, Shapes]]] = {
    "whisper": _of_whisper,
    "kokoro": _of_kokoro,
    "smollm2": _of_llama,
}
"""Converter → the shapes of the library's model and those in a folder."""


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def _load(file: Path) -> dict[str, Any]:
    import mlx.core as mx

    return cast("dict[str, Any]", mx.load(str(file)))


def _parameters(model: Any) -> Shapes:
    from mlx.utils import tree_flatten

    return _shapes(dict(tree_flatten(model.parameters())))


def _shapes(weights: Mapping[str, Any]) -> Shapes:
    return {name: tuple(value.shape) for name, value in weights.items()}
