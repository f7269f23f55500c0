"""KittenTTS and the built-in voice, which is a small model of this family: espeak-ng's phonemes, whole utterances."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from model_runtime.catalog.voices import VoiceSelection, kitten_voices_file
from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.speech.espeak import Espeak
from model_runtime.engines.speech.kitten_phonemes import phonemize_english, to_token_ids
from model_runtime.engines.speech.mlx_audio_loading import load_mlx_audio_model
from model_runtime.engines.speech.sentences import Utterance, split_utterances
from model_runtime.engines.speech.voice_model import AudioPiece, VoiceModel, speak_utterances
from model_runtime.loading import LoadSpec


def load(spec: LoadSpec, config: Mapping[str, Any]) -> VoiceModel:
    """Load weights and voices.

    Raises:
        ValueError: weights are missing, unexpected or of another shape; the engine translates it.
    """
    folder = Path(spec.folders["model"])
    with np.load(kitten_voices_file(folder, config)) as stored:
        styles = {name: stored[name].astype(np.float32) for name in stored.files}
    model = load_mlx_audio_model(folder)
    model.set_dtype(mx.float32)  # it sums the phase over thousands of periods: in half precision the pitch drifts
    return Kitten(evaluate_weights(model), styles)


class Kitten:
    """A loaded model of mlx-audio's kitten_tts. Its own `generate` needs the phonemizer package and cuts off words."""

    supports_any_script = False
    supports_speed = True
    supports_instructions = False
    takes_turns = True

    def __init__(self, model: Any, styles: Mapping[str, np.ndarray]) -> None:
        """Wrap a model; `styles` maps voices to float32 (text lengths, width), one row for each length or for all."""
        self.sample_rate: int = model.sample_rate
        self._model = model
        self._styles = styles
        self._espeak = Espeak()

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Yield English speech, one utterance at a time.

        Raises:
            Cancelled: `check_cancelled` raised it between two utterances.
        """
        styles = self._styles[selection.voice]

        def synthesize(utterance: Utterance) -> np.ndarray:
            style = styles[min(len(utterance.text), len(styles) - 1)]
            tokens = mx.array([to_token_ids(utterance.phonemes)], dtype=mx.int32)
            samples = np.array(self._model(tokens, mx.array(style)[None], speed).reshape(-1), dtype=np.float32)
            mx.clear_cache()
            return samples

        utterances = split_utterances(text, lambda part: phonemize_english(self._espeak, part))
        return speak_utterances(utterances, synthesize, self.sample_rate, check_cancelled)
