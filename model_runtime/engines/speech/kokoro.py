"""Kokoro: one utterance at a time, without mlx-audio's pipeline.

The pipeline needs spaCy, prints to stdout, downloads voices, and synthesizes up to 35 seconds at once.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.cpu_convolution import install_cpu_convolutions
from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.speech.espeak import Espeak
from model_runtime.engines.speech.kokoro_phonemes import Phonemizer, create_phonemizer
from model_runtime.engines.speech.mlx_audio_loading import load_mlx_audio_model
from model_runtime.engines.speech.sentences import Utterance, split_utterances
from model_runtime.engines.speech.voice_model import AudioPiece, VoiceModel, speak_utterances
from model_runtime.loading import LoadSpec


def load(spec: LoadSpec, config: Mapping[str, Any]) -> VoiceModel:
    """Load weights.

    Raises:
        ValueError: weights are missing, unexpected or of another shape; the engine translates it.
    """
    install_cpu_convolutions()
    folder = Path(spec.folders["model"])
    return Kokoro(evaluate_weights(load_mlx_audio_model(folder)), folder)


class Kokoro:
    """A loaded Kokoro; each voice is read from its folder with its first use."""

    supports_any_script = False
    supports_speed = True
    supports_instructions = False
    takes_turns = True

    def __init__(self, model: Any, folder: Path) -> None:
        self.sample_rate: int = model.sample_rate
        self._model, self._folder = model, folder
        self._espeak = Espeak()
        self._cached_styles = lru_cache(maxsize=8)(self._read_styles)
        self._phonemizers: dict[tuple[str, bool], Phonemizer] = {}

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Yield speech in the language of `selection`, which may differ from that of its voice.

        Raises:
            Cancelled: `check_cancelled` raised it between two utterances.
        """
        styles, phonemize = self._cached_styles(selection.voice), self._phonemizer(selection)

        def synthesize(utterance: Utterance) -> np.ndarray:
            style = styles[min(len(utterance.phonemes), len(styles)) - 1]
            samples = self._model(utterance.phonemes, style, speed).reshape(-1).astype(mx.float32)
            mx.eval(samples)
            mx.clear_cache()
            return np.array(samples)

        utterances = split_utterances(text, lambda part: self._drop_unknown_phonemes(phonemize(part)))
        return speak_utterances(utterances, synthesize, self.sample_rate, check_cancelled)

    def _drop_unknown_phonemes(self, phonemes: str) -> str:
        """Return the phonemes of the model's vocabulary; "" if only punctuation is left."""
        in_vocabulary = "".join(letter for letter in phonemes if letter in self._model.vocab)
        return in_vocabulary if any(letter.isalpha() for letter in in_vocabulary) else ""

    def _phonemizer(self, selection: VoiceSelection) -> Phonemizer:
        key = (selection.language, selection.voice.startswith("b"))  # names of British voices start with b
        if key not in self._phonemizers:
            self._phonemizers[key] = create_phonemizer(selection.language, british=key[1], espeak=self._espeak)
        return self._phonemizers[key]

    def _read_styles(self, voice: str) -> mx.array:
        """Return the styles of a voice, float32 (phoneme counts, 1, 256)."""
        stored: Any = mx.load(str(self._folder / "voices" / f"{voice}.safetensors"))
        styles: mx.array = next(iter(stored.values())).astype(mx.float32)
        mx.eval(styles)
        return styles
