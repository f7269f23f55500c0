"""Qwen3-TTS with preset voices: ten languages, written in frames of 80 ms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_audio.tts.models.qwen3_tts.speech_tokenizer import Qwen3TTSSpeechTokenizer, Qwen3TTSSpeechTokenizerDecoder

from model_runtime.engines.engine import Check
from model_runtime.engines.speakers import STREAM_CHARACTERS, Piece, longest_seconds, stream_each
from model_runtime.engines.utterances import Utterance, utterances
from model_runtime.errors import LoadFailed
from model_runtime.languages import language_name
from model_runtime.voices import Choice

CHUNK_SECONDS = 0.32
FRAMES_PER_SECOND = 12.5


def check_codec(name: str, model: Any, folder: Path) -> None:
    """Check that tokenizer and codec are there in full: the library only prints a warning where they are not.

    Raises:
        LoadFailed: something is missing, or the model has no preset voices.
    """
    if model.config.tts_model_type != "custom_voice":
        raise LoadFailed(f"{name} has no voices of its own. Choose a CustomVoice model of Qwen3-TTS.")
    if model.tokenizer is None or model.speech_tokenizer is None:
        part = "text tokenizer" if model.tokenizer is None else "codec (folder speech_tokenizer)"
        raise LoadFailed(f"{name} has no {part} that can be read. Download the model again.")
    codec = folder / "speech_tokenizer"
    found: dict[str, mx.array] = {}
    for file in codec.glob("*.safetensors"):
        found |= cast(dict[str, mx.array], mx.load(str(file)))
    there = Qwen3TTSSpeechTokenizer.sanitize(found)
    wanted = tree_flatten(Qwen3TTSSpeechTokenizerDecoder(model.speech_tokenizer.config.decoder_config).parameters())
    missing = sorted({f"decoder.{key}" for key, _ in wanted} - there.keys())
    if missing:
        raise LoadFailed(f"{codec} lacks {len(missing)} tensors, such as {missing[0]}. Download the model again.")


class QwenSpeech:
    """A loaded model."""

    takes_any_script = True
    keeps_speed = False

    def __init__(self, model: Any) -> None:
        self.sample_rate: int = model.sample_rate
        self._model = model

    def speak(self, text: str, choice: Choice, speed: float, check: Check) -> Iterator[Piece]:
        """Speak a third of a second at a time; `speed` has no effect."""
        language = language_name(choice.language).lower()

        def sounds(utterance: Utterance) -> Iterator[np.ndarray]:
            results = self._model.generate(
                utterance.text,
                voice=choice.voice,
                lang_code=language,
                max_tokens=int(longest_seconds(utterance.text) * FRAMES_PER_SECOND),
                stream=True,
                streaming_interval=CHUNK_SECONDS,
            )
            return (np.array(result.audio, dtype=np.float32) for result in results if result.samples)

        said = utterances(text, lambda part: part, limit=STREAM_CHARACTERS)
        return stream_each(said, sounds, self.sample_rate, check)
