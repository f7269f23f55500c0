"""Speak phonemes with Kokoro as the engine loads it. Importing this imports MLX."""

import os
from pathlib import Path
from typing import Any

from model_runtime.engines.blas import load_fast_blas

os.environ |= {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1"}
load_fast_blas()

import mlx.core as mx  # noqa: E402 - after its BLAS and environment
import numpy as np  # noqa: E402

from model_runtime.engines.cpu_convolution import install_cpu_convolutions  # noqa: E402
from model_runtime.engines.dtype import evaluate_weights  # noqa: E402
from model_runtime.engines.speech.mlx_audio_loading import load_mlx_audio_model  # noqa: E402


def load_kokoro(folder: Path) -> Any:
    """Return the model with its weights."""
    install_cpu_convolutions()
    return evaluate_weights(load_mlx_audio_model(folder))


def synthesize(model: Any, folder: Path, voice: str, speed: str, phonemes: str) -> np.ndarray:
    """Return float32 samples at 24 kHz."""
    stored: Any = mx.load(str(folder / "voices" / f"{voice}.safetensors"))
    styles = next(iter(stored.values())).astype(mx.float32)
    return np.array(model(phonemes, styles[len(phonemes) - 1], float(speed)).reshape(-1).astype(mx.float32))
