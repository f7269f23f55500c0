"""Marvis, of the Sesame family: it generates frames of 80 ms and takes its voice from a short recording.

mlx-audio's loader downloads the codec and the recording from fixed repositories; this module reads local files. Speech
is always streamed, because without streaming the library keeps the codec's state of the previous request.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_audio.codec.models.mimi import mimi
from mlx_audio.tts.models.sesame import sesame
from mlx_audio.utils import apply_quantization, load_weights

from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.protocol import CancelCheck
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

sesame.tqdm = partial(sesame.tqdm, disable=True)  # its progress bar would fill the worker's log

CODEC_FILE = "tokenizer-e351c8d8-checkpoint125.safetensors"
"""Mimi's weights in the repository kyutai/moshiko-pytorch-bf16."""
CODEBOOKS = 32
CHUNK_SECONDS = 0.5
"""Duration of one piece of audio."""


def load(spec: LoadSpec, config: Mapping[str, Any]) -> VoiceModel:
    """Load model, codec (role "codec") and tokenizer (role "tokenizer", else the model's folder).

    Raises:
        LoadFailed: the codec is missing.
        ValueError: weights are missing, unexpected or of another shape; the engine translates it.
    """
    folder = Path(spec.folders["model"])
    codec = _load_codec(spec)

    class LocalCodec:
        """A stand-in for the library's codec class, whose `from_pretrained` downloads."""

        @staticmethod
        def from_pretrained(_: str) -> Any:
            return codec

    original_mimi, sesame.Mimi = sesame.Mimi, LocalCodec
    try:
        with redirect_stdout(sys.stderr):
            model = sesame.Model({**config, "text_tokenizer": spec.folders.get("tokenizer", str(folder))})
    finally:
        sesame.Mimi = original_mimi
    weights = model.sanitize(load_weights(folder))
    apply_quantization(model, config, weights, model.model_quant_predicate)
    model.load_weights(list(weights.items()), strict=True)
    return Marvis(evaluate_weights(model), folder)


def _load_codec(spec: LoadSpec) -> Any:
    file = Path(spec.folders.get("codec", spec.folders["model"])) / CODEC_FILE
    if not file.exists():
        raise LoadFailed(f"{spec.model} needs the Mimi codec, but {file} is missing. Run: senses pull {spec.model}")
    codec = mimi.Mimi(mimi.mimi_202407(CODEBOOKS))
    codec.load_pytorch_weights(str(file), strict=True)
    mx.eval(codec.parameters())
    return codec


class Marvis:
    """A loaded model; its voices are recordings with transcripts in the folder `prompts`."""

    supports_any_script = False
    supports_speed = False
    supports_instructions = False
    takes_turns = False

    def __init__(self, model: Any, folder: Path) -> None:
        self.sample_rate: int = model.sample_rate
        self._model, self._folder = model, folder
        self._cached_prompt = lru_cache(maxsize=4)(self._read_prompt)

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Yield speech half a second at a time; `speed` has no effect.

        Raises:
            Cancelled: `check_cancelled` raised it between two pieces.
        """
        prompt = self._cached_prompt(selection.voice)

        def synthesize_stream(utterance: Utterance) -> Iterator[np.ndarray]:
            results = self._model.generate(
                utterance.text,
                context=[prompt],
                split_pattern=None,
                max_audio_length_ms=max_audio_seconds(utterance.text) * 1000,
                stream=True,
                streaming_interval=CHUNK_SECONDS,
            )
            return (np.array(result.audio, dtype=np.float32) for result in results if result.samples)

        utterances = split_utterances(text, lambda part: part, max_phonemes=MAX_STREAM_CHARACTERS)
        return stream_utterances(utterances, synthesize_stream, self.sample_rate, check_cancelled)

    def _read_prompt(self, voice: str) -> Any:
        file = self._folder / "prompts" / f"{voice}.wav"
        transcript = file.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return self._model.prepare_prompt(transcript, 0, str(file), self.sample_rate)
