"""The speech engine: Kokoro, KittenTTS, Marvis and Qwen3-TTS on mlx-audio."""

import gc
from collections.abc import Iterator, Mapping
from importlib import import_module

import mlx.core as mx
import numpy as np

from model_runtime.catalog.languages import language_name
from model_runtime.catalog.voices import VoiceBook, read_voices
from model_runtime.engines.checkpoint import loading, open_checkpoint
from model_runtime.engines.protocol import Check, Report
from model_runtime.engines.speech.sentences import only_letters_of, readable
from model_runtime.engines.speech.voice_model import Speaker
from model_runtime.errors import InvalidInput, LoadFailed
from model_runtime.events import AudioChunk, EngineEvent, Progress, Result, Speech, Warned
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request, Speak
from model_runtime.validation.speech import check_text

CACHE_BYTES = 256_000_000
"""Freed buffers that MLX may keep between utterances, whose sizes all differ."""


FAMILIES: Mapping[str, str] = {
    "kokoro": "model_runtime.engines.speech.kokoro",
    "kitten_tts": "model_runtime.engines.speech.kitten",
    "sesame": "model_runtime.engines.speech.marvis",
    "qwen3_tts": "model_runtime.engines.speech.qwen3_tts",
}
"""Kind of model → the module whose `load(spec, config)` gives its `Speaker`."""

NOTHING = "Without its code blocks, markup and emoji the text has nothing to speak. Send a sentence."


class SpeechEngine:
    """Reads one text aloud at a time, and sends every piece as soon as it is spoken."""

    _speaker: Speaker

    def __init__(self) -> None:
        self._model = ""
        self._book = VoiceBook("", (), ())

    def load(self, spec: LoadSpec, report: Report) -> LoadedModel:
        """Load and evaluate all weights. Roles: "model", and "codec" for Marvis.

        Raises:
            LoadFailed: the files are of no supported family, incomplete or unreadable.
        """
        mx.set_cache_limit(CACHE_BYTES)
        mx.reset_peak_memory()
        folder, config = open_checkpoint(spec)
        self._model, self._book = spec.model, read_voices(folder)
        if self._book.kind not in FAMILIES:
            raise LoadFailed(
                f"{spec.model} is of the family {config.get('model_type')!r}; Senses speaks {', '.join(FAMILIES)}."
            )
        if not self._book.names:
            raise LoadFailed(f"{spec.model} has no voices in {folder}. Download the model again.")
        report("weights", 0.0)
        with loading(spec.model, config):
            self._speaker = import_module(FAMILIES[self._book.kind]).load(spec, config)
        report("weights", 1.0)
        active = mx.get_active_memory()
        return LoadedModel(weights_bytes=active, active_bytes=active, peak_bytes=mx.get_peak_memory())

    def run(self, request: Request, check: Check) -> Iterator[EngineEvent | Result]:
        """Speak: `Warned` where something is left out, `AudioChunk`s with `Progress` in characters, then the `Speech`.

        The same request always sounds the same.

        Raises:
            InvalidInput: the text cannot be spoken with what was asked for.
            Cancelled: between two pieces, once `check` says so.
        """
        if not isinstance(request, Speak):
            raise InvalidInput(f"{self._model} speaks and can do nothing else.", param="model")
        check_text(request.text)
        choice = self._book.choose(self._model, request.text, voice=request.voice, language=request.language)
        text, warnings = self._prepare(request, choice.language)
        mx.random.seed(0)
        rate, count = self._speaker.sample_rate, 0
        if warnings:
            yield Warned(warnings)
        yield Progress("characters", 0, len(text))
        for piece in self._speaker.speak(text, choice, request.speed, check):
            count += len(piece.samples)
            if len(piece.samples):
                yield AudioChunk(_pcm(piece.samples), rate)
            yield Progress("characters", piece.characters, len(text))
        if not count:
            raise InvalidInput(NOTHING, param="text", code="empty_text")
        yield Speech(count / rate, rate, choice.voice, choice.language, warnings)

    def idle(self) -> None:
        """Give back caches."""
        gc.collect()
        mx.clear_cache()

    def _prepare(self, request: Speak, language: str) -> tuple[str, tuple[str, ...]]:
        text, warnings = readable(request.text), []
        left_out = 0
        if not self._speaker.takes_any_script:
            text, left_out = only_letters_of(language, text)
        if not any(letter.isalnum() for letter in text):
            raise InvalidInput(NOTHING, param="text", code="empty_text")
        if left_out:
            why = f"{language_name(language)} is not written in them and {self._model} cannot read them"
            warnings.append(f"{left_out} of the letters were left out: {why}.")
        if request.speed != 1 and not self._speaker.keeps_speed:
            warnings.append(f"{self._model} always speaks at its own speed; {request.speed:g} was ignored.")
        return text, tuple(warnings)


def _pcm(samples: np.ndarray) -> bytes:
    return (np.clip(np.nan_to_num(samples), -1, 1) * 32767).astype("<i2").tobytes()
