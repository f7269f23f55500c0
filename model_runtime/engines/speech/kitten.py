"""KittenTTS, and the built-in voice, which is a tiny one: phonemes of espeak-ng, an utterance at a time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from model_runtime.catalog.voices import Choice
from model_runtime.engines.dtype import evaluate
from model_runtime.engines.protocol import Check
from model_runtime.engines.speech.espeak import Espeak
from model_runtime.engines.speech.imports import read_model
from model_runtime.engines.speech.kitten_text import numbers, spoken
from model_runtime.engines.speech.sentences import Utterance, utterances
from model_runtime.engines.speech.voice_model import Piece, Speaker, speak_each
from model_runtime.loading import LoadSpec


def load(spec: LoadSpec, config: Mapping[str, Any]) -> Speaker:
    """Load weights and voices."""
    folder = Path(spec.folders["model"])
    with np.load(folder / str(config.get("voices_path", "voices.npz"))) as stored:
        styles = {name: stored[name].astype(np.float32) for name in stored.files}
    model = read_model(folder)
    model.set_dtype(mx.float32)  # it sums its pitch over thousands of turns: in half precision it would hum off key
    return Kitten(evaluate(model), styles)


class Kitten:
    """A loaded model of mlx-audio's kitten_tts. Its own `generate` needs the phonemizer package and trims words."""

    takes_any_script = False
    keeps_speed = True

    def __init__(self, model: Any, styles: Mapping[str, np.ndarray]) -> None:
        """`styles` has the rows of each voice, one for every length of text or one for all."""
        self.sample_rate: int = model.sample_rate
        self._model = model
        self._styles = styles
        self._espeak = Espeak()

    def speak(self, text: str, choice: Choice, speed: float, check: Check) -> Iterator[Piece]:
        """Speak English."""
        styles = self._styles[choice.voice]

        def voiced(utterance: Utterance) -> np.ndarray:
            style = styles[min(len(utterance.text), len(styles) - 1)]
            tokens = mx.array([numbers(utterance.phonemes)], dtype=mx.int32)
            sound = np.array(self._model(tokens, mx.array(style)[None], speed).reshape(-1), dtype=np.float32)
            mx.clear_cache()
            return sound

        said = utterances(text, lambda part: spoken(self._espeak, part))
        return speak_each(said, voiced, self.sample_rate, check)
