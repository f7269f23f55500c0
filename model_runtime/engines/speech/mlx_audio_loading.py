"""Load a speech model of mlx-audio strictly and without output on stdout."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mlx_audio.tts.utils import load_model


def load_mlx_audio_model(folder: Path) -> Any:
    """Return mlx-audio's model with all of its weights, not evaluated.

    Raises:
        ValueError: weights are missing, unexpected or of another shape.
    """
    with redirect_stdout(sys.stderr):
        return load_model(folder, lazy=True, strict=True)
