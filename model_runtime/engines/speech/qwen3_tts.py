"""Qwen3-TTS with preset voices: ten languages, generated in frames of 80 ms."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from mlx_audio.tts.models.qwen3_tts.speech_tokenizer import Qwen3TTSSpeechTokenizer

from model_runtime.catalog.foreign_files import list_files
from model_runtime.catalog.languages import language_name
from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.speech.mlx_audio_loading import load_mlx_audio_model
from model_runtime.engines.speech.sentences import Utterance, split_utterances
from model_runtime.engines.speech.voice_model import (
    MAX_STREAM_CHARACTERS,
    AudioPiece,
    VoiceModel,
    max_audio_seconds,
    stream_utterances,
)
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec

CHUNK_SECONDS = 0.32
"""Duration of one piece of audio."""
FRAMES_PER_SECOND = 12.5
"""One token per frame."""
SMALL_MODEL = "0b6"
"""The configuration's word for 0.6 billion parameters: these models were not trained to follow instructions, and
mlx-audio drops them."""


def load(spec: LoadSpec, config: Mapping[str, Any]) -> VoiceModel:
    """Load model, tokenizer and codec.

    Raises:
        LoadFailed: the tokenizer or the codec is missing, or the model has no preset voices.
        ValueError: weights are missing, unexpected or of another shape; the engine translates it.
    """
    folder = Path(spec.folders["model"])
    model = load_mlx_audio_model(folder)
    if model.config.tts_model_type != "custom_voice":
        raise LoadFailed(f"{spec.model} has no preset voices. Choose a CustomVoice model of Qwen3-TTS.")
    # The library only prints a warning if it cannot read the tokenizer or the codec.
    if model.tokenizer is None or model.speech_tokenizer is None:
        part = "text tokenizer" if model.tokenizer is None else "codec (folder speech_tokenizer)"
        raise LoadFailed(f"{spec.model} has no {part} that can be read. Download the model again.")
    model.load_speech_tokenizer(_read_codec(folder / "speech_tokenizer", model.speech_tokenizer.config))
    return Qwen3Tts(evaluate_weights(model))


def _read_codec(folder: Path, config: Any) -> Any:
    """Load the codec again, strictly and without its encoder, which only voice cloning needs."""
    codec = Qwen3TTSSpeechTokenizer(replace(config, encoder_config=None))
    stored: dict[str, mx.array] = {}
    for file in list_files(folder, (".safetensors",), depth=1):
        stored |= cast(dict[str, mx.array], mx.load(str(file)))
    weights = Qwen3TTSSpeechTokenizer.sanitize(stored)
    codec.load_weights([(name, value) for name, value in weights.items() if name.startswith("decoder.")], strict=True)
    return codec


class Qwen3Tts:
    """A loaded Qwen3-TTS."""

    supports_any_script = True
    supports_speed = False
    takes_turns = False

    def __init__(self, model: Any) -> None:
        self.sample_rate: int = model.sample_rate
        self.supports_instructions: bool = model.config.tts_model_size != SMALL_MODEL
        self._model = model

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Yield speech a third of a second at a time; `speed` has no effect.

        Raises:
            Cancelled: `check_cancelled` raised it between two pieces.
        """
        language = language_name(selection.language).lower()

        def synthesize_stream(utterance: Utterance) -> Iterator[np.ndarray]:
            results = self._model.generate(
                utterance.text,
                voice=selection.voice,
                instruct=selection.instructions or None,
                lang_code=language,
                max_tokens=int(max_audio_seconds(utterance.text) * FRAMES_PER_SECOND),
                stream=True,
                streaming_interval=CHUNK_SECONDS,
            )
            return (np.array(result.audio, dtype=np.float32) for result in results if result.samples)

        utterances = split_utterances(text, lambda part: part, max_phonemes=MAX_STREAM_CHARACTERS)
        return stream_utterances(utterances, synthesize_stream, self.sample_rate, check_cancelled)
