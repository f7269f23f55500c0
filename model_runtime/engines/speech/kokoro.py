"""Kokoro: an utterance at a time, straight through the model.

The library's own pipeline reads texts with spaCy, prints to standard output, asks the hub for voices, and speaks up to
35 seconds in one go.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from model_runtime.catalog.voices import Choice
from model_runtime.engines.dtype import evaluate
from model_runtime.engines.protocol import Check
from model_runtime.engines.speech.espeak import Espeak
from model_runtime.engines.speech.imports import read_model
from model_runtime.engines.speech.kokoro_text import Phonemes, front_end
from model_runtime.engines.speech.sentences import Utterance, utterances
from model_runtime.engines.speech.voice_model import Piece, Speaker, speak_each
from model_runtime.loading import LoadSpec


def load(spec: LoadSpec, config: Mapping[str, Any]) -> Speaker:
    """Load weights."""
    folder = Path(spec.folders["model"])
    return Kokoro(evaluate(read_model(folder)), folder)


class Kokoro:
    """A loaded Kokoro; voices are read from its folder when they are first used."""

    takes_any_script = False
    keeps_speed = True

    def __init__(self, model: Any, folder: Path) -> None:
        self.sample_rate: int = model.sample_rate
        self._model, self._folder = model, folder
        self._espeak = Espeak()
        self._styles = lru_cache(maxsize=8)(self._read_styles)
        self._front_ends: dict[tuple[str, bool], Phonemes] = {}

    def speak(self, text: str, choice: Choice, speed: float, check: Check) -> Iterator[Piece]:
        """Speak in the language of `choice`, whatever the mother tongue of its voice is."""
        styles, phonemes = self._styles(choice.voice), self._front_end(choice)

        def voiced(utterance: Utterance) -> np.ndarray:
            style = styles[min(len(utterance.phonemes), len(styles)) - 1]
            sound = self._model(utterance.phonemes, style, speed).reshape(-1).astype(mx.float32)
            mx.eval(sound)
            mx.clear_cache()
            return np.array(sound)

        said = utterances(text, lambda part: self._known(phonemes(part)))
        return speak_each(said, voiced, self.sample_rate, check)

    def _known(self, phonemes: str) -> str:
        """Leave out what is not in the model's alphabet, as the model would; punctuation alone is nothing to say."""
        known = "".join(letter for letter in phonemes if letter in self._model.vocab)
        return known if any(letter.isalpha() for letter in known) else ""

    def _front_end(self, choice: Choice) -> Phonemes:
        key = (choice.language, choice.voice.startswith("b"))
        if key not in self._front_ends:
            self._front_ends[key] = front_end(choice.language, british=key[1], espeak=self._espeak)
        return self._front_ends[key]

    def _read_styles(self, voice: str) -> mx.array:
        """One style (1, 256) for every number of phonemes."""
        stored: Any = mx.load(str(self._folder / "voices" / f"{voice}.safetensors"))
        styles: mx.array = next(iter(stored.values()))
        mx.eval(styles)
        return styles if mx.metal.is_available() else styles.astype(mx.float32)
