"""Where the recipes read and write, whatever folder they are started from."""

from pathlib import Path

from model_runtime.catalog.builtin_models import STARTER_FOLDER

TRAINING = Path(__file__).parents[2]
"""This package's folder in the checkout."""
SHEETS = TRAINING / "sheets"
"""What the starters drew and said, for a person to look at; the cards refer to it."""
WEIGHTS = STARTER_FOLDER
"""The product's folder of the starters: weights, card and scores of each."""
STT, TTS, VLM, IMAGE = (WEIGHTS / f"{name}-starter" for name in ("stt", "tts", "vlm", "image"))
