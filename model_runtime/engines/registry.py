"""Names and classes of the engines, and their import on demand."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from model_runtime.engines.blas import load_fast_blas
from model_runtime.engines.protocol import Engine
from model_runtime.errors import LoadFailed

ENGINE_CLASSES: Mapping[str, str] = {
    "mlx-vlm": "model_runtime.engines.vision.model:VisionEngine",
    "mlx-lm": "model_runtime.engines.text.model:TextEngine",
    "mlx-whisper": "model_runtime.engines.transcription.engine:TranscriptionEngine",
    "mlx-audio": "model_runtime.engines.speech.engine:SpeechEngine",
    "rapidocr": "model_runtime.engines.ocr.engine:OcrEngine",
    "mflux": "model_runtime.engines.image.engine:ImageEngine",
    "mlx-vlm-embedding": "model_runtime.engines.embedding.engine:EmbeddingEngine",
}
"""Name of an engine (its library) → "module:Class"."""

DEFERRED_IMPORTS: Mapping[str, str] = {"mlx-audio": "model_runtime.engines.speech.mlx_audio_loading"}
"""Name of an engine → a module that every model of it needs but only `load` imports."""


BUFFER_CACHE_BYTES: Mapping[str, int] = {
    "mlx-vlm": 512_000_000,
    "mlx-lm": 512_000_000,
    "mlx-vlm-embedding": 256_000_000,
    "mlx-whisper": 256_000_000,
    "mlx-audio": 256_000_000,
    "mflux": 1_000_000_000,
}
"""Name of an engine → freed buffers that MLX keeps for reuse. Without a limit it keeps nearly all memory, and the second
picture is tens of times slower on a machine whose memory is full."""
DEFAULT_BUFFER_CACHE_BYTES = 256_000_000


def preload_engine(name: str) -> None:
    """Import all libraries of an engine, so that a later load only reads weights.

    Raises:
        LoadFailed: the engine is unknown, or its libraries cannot be imported.
    """
    create_engine(name)
    if name in DEFERRED_IMPORTS:
        import_module(DEFERRED_IMPORTS[name])


def create_engine(name: str) -> Engine:
    """Import and create an engine, and limit MLX's buffer cache for it, by its name in `ENGINE_CLASSES` or by "module:Class".

    Raises:
        LoadFailed: the engine is unknown, or its libraries cannot be imported.
    """
    class_path = ENGINE_CLASSES.get(name, name)
    module, colon, class_name = class_path.partition(":")
    if not colon:
        raise LoadFailed(f"The engine {name!r} does not exist. Choose one of: {', '.join(ENGINE_CLASSES)}.")
    load_fast_blas()
    try:
        engine: Engine = getattr(import_module(module), class_name)()
    except (ImportError, AttributeError) as error:
        raise LoadFailed(
            f"The engine {name} cannot be imported: {error}. Install Senses again; "
            "`senses doctor` shows what is missing."
        ) from error
    if (mlx := _imported_mlx()) is not None:
        mlx.set_cache_limit(BUFFER_CACHE_BYTES.get(name, DEFAULT_BUFFER_CACHE_BYTES))
    return engine


def recommended_working_set_bytes() -> int:
    """Return the GPU memory in bytes that Metal recommends as a maximum; 0 without a GPU."""
    return int(import_module("mlx.core").device_info().get("max_recommended_working_set_size", 0))


def active_memory_bytes() -> int:
    """Return the memory in bytes that MLX holds in this process; 0 before MLX is imported."""
    mlx = _imported_mlx()
    return int(mlx.get_active_memory()) if mlx is not None and hasattr(mlx, "get_active_memory") else 0


def synchronize() -> None:
    """Wait until the GPU has done everything that was asked of it.

    Raises:
        RuntimeError: a command buffer failed. MLX reports that here when the evaluation has returned before.
    """
    if (mlx := _imported_mlx()) is not None:
        mlx.synchronize()


def _imported_mlx() -> Any:
    return sys.modules.get("mlx.core")
