"""How every speech model is read: strictly and quietly."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mlx_audio.tts.utils import load_model


def load_mlx_audio_model(folder: Path) -> Any:
    """Build the library's model with its weights, all of them there, but not yet in memory."""
    with redirect_stdout(sys.stderr):
        return load_model(folder, lazy=True, strict=True)
