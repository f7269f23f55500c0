"""Engines by name, imported when a worker needs one."""

import sys
from collections.abc import Mapping
from importlib import import_module

from model_runtime.engines.blas import load_fast_blas
from model_runtime.engines.protocol import Engine
from model_runtime.errors import LoadFailed

ENGINES: Mapping[str, str] = {
    "mlx-vlm": "model_runtime.engines.vision.model:VisionEngine",
    "mlx-lm": "model_runtime.engines.text.model:TextEngine",
    "mlx-whisper": "model_runtime.engines.transcription.engine:RecognitionEngine",
    "mlx-audio": "model_runtime.engines.speech.engine:SpeechEngine",
    "mflux": "model_runtime.engines.image.engine:DrawingEngine",
}


LATER: Mapping[str, str] = {"mlx-audio": "model_runtime.engines.speech.imports"}
"""What an engine imports only when it loads, though every model of it needs it."""


def import_engine(name: str) -> None:
    """Import all that a load of this engine will need, so that it only has to read weights.

    Raises:
        LoadFailed: there is no such engine, or its libraries cannot be imported.
    """
    open_engine(name)
    if name in LATER:
        import_module(LATER[name])


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


def working_set_bytes() -> int:
    """Return how much GPU memory the system recommends to use at most, as MLX tells it; 0 where there is no GPU."""
    return int(import_module("mlx.core").device_info().get("max_recommended_working_set_size", 0))


def active_bytes() -> int:
    """Return what MLX holds in this process; 0 where it is not imported."""
    mlx = sys.modules.get("mlx.core")
    return int(mlx.get_active_memory()) if mlx is not None and hasattr(mlx, "get_active_memory") else 0
