"""Engines by name, imported when a worker needs one."""

import sys
from collections.abc import Mapping
from importlib import import_module

from model_runtime.engines.blas import load_fast_blas
from model_runtime.engines.protocol import Engine
from model_runtime.errors import LoadFailed

ENGINE_CLASSES: Mapping[str, str] = {
    "mlx-vlm": "model_runtime.engines.vision.model:VisionEngine",
    "mlx-lm": "model_runtime.engines.text.model:TextEngine",
    "mlx-whisper": "model_runtime.engines.transcription.engine:TranscriptionEngine",
    "mlx-audio": "model_runtime.engines.speech.engine:SpeechEngine",
    "mflux": "model_runtime.engines.image.engine:ImageEngine",
}


DEFERRED_IMPORTS: Mapping[str, str] = {"mlx-audio": "model_runtime.engines.speech.mlx_audio_loading"}
"""What an engine imports only when it loads, though every model of it needs it."""


def preload_engine(name: str) -> None:
    """Import all that a load of this engine will need, so that it only has to read weights.

    Raises:
        LoadFailed: there is no such engine, or its libraries cannot be imported.
    """
    create_engine(name)
    if name in DEFERRED_IMPORTS:
        import_module(DEFERRED_IMPORTS[name])


def create_engine(name: str) -> Engine:
    """Import and create an engine: one of `ENGINE_CLASSES`, or the class that "module:Class" names.

    Raises:
        LoadFailed: there is no such engine, or its libraries cannot be imported.
    """
    class_path = ENGINE_CLASSES.get(name, name)
    module, colon, class_name = class_path.partition(":")
    if not colon:
        raise LoadFailed(f"There is no engine {name!r}. Engines: {', '.join(ENGINE_CLASSES)}.")
    load_fast_blas()
    try:
        engine: Engine = getattr(import_module(module), class_name)()
    except (ImportError, AttributeError) as error:
        raise LoadFailed(
            f"The engine {name} cannot be imported: {error}. Install Senses again; `senses doctor` shows what is missing."
        ) from error
    return engine


def recommended_working_set_bytes() -> int:
    """Return how much GPU memory the system recommends to use at most, as MLX tells it; 0 where there is no GPU."""
    return int(import_module("mlx.core").device_info().get("max_recommended_working_set_size", 0))


def active_memory_bytes() -> int:
    """Return what MLX holds in this process; 0 where it is not imported."""
    mlx = sys.modules.get("mlx.core")
    return int(mlx.get_active_memory()) if mlx is not None and hasattr(mlx, "get_active_memory") else 0
