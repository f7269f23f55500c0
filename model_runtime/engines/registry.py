"""Engines by name, imported when a worker needs one."""

import sys
from collections.abc import Mapping
from importlib import import_module

from model_runtime.engines.blas import load_fast_blas
from model_runtime.engines.engine import Engine
from model_runtime.errors import LoadFailed

ENGINES: Mapping[str, str] = {
    "mlx-vlm": "model_runtime.engines.vision:VisionEngine",
    "mlx-lm": "model_runtime.engines.text:TextEngine",
    "mlx-whisper": "model_runtime.engines.recognition:RecognitionEngine",
    "mlx-audio": "model_runtime.engines.speech:SpeechEngine",
    "mflux": "model_runtime.engines.drawing:DrawingEngine",
}


def open_engine(name: str) -> Engine:
    """Import and create an engine: one of `ENGINES`, or the class that "module:Class" names.

    Raises:
        LoadFailed: there is no such engine, or its libraries cannot be imported.
    """
    place = ENGINES.get(name, name)
    module, colon, kind = place.partition(":")
    if not colon:
        raise LoadFailed(f"There is no engine {name!r}. Engines: {', '.join(ENGINES)}.")
    load_fast_blas()
    try:
        engine: Engine = getattr(import_module(module), kind)()
    except (ImportError, AttributeError) as error:
        raise LoadFailed(
            f"The engine {name} cannot be imported: {error}. Install Senses again; `senses doctor` shows what is missing."
        ) from error
    return engine


def active_bytes() -> int:
    """Return what MLX holds in this process; 0 where it is not imported."""
    mlx = sys.modules.get("mlx.core")
    return int(mlx.get_active_memory()) if mlx is not None and hasattr(mlx, "get_active_memory") else 0
