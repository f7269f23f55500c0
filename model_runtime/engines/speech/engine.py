"""The speech engine: Kokoro, KittenTTS, Marvis and Qwen3-TTS on mlx-audio."""

import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module

import mlx.core as mx
import numpy as np

from model_runtime.catalog.languages import language_name
from model_runtime.catalog.voices import VoiceCatalog, read_voices
from model_runtime.engines.checkpoint import open_checkpoint, translate_load_errors
from model_runtime.engines.protocol import CancelCheck, LoadReporter
from model_runtime.engines.speech.sentences import drop_foreign_letters, normalize_text
from model_runtime.engines.speech.voice_model import VoiceModel
from model_runtime.errors import InvalidInput, JobFailed, LoadFailed
from model_runtime.events import AudioChunk, EngineEvent, Progress, Result, SpeechResult, Warnings
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.release_memory import release_memory
from model_runtime.requests import Request, Speak
from model_runtime.validation.speech import validate_text

VOICE_MODEL_MODULES: Mapping[str, str] = {
    "kokoro": "model_runtime.engines.speech.kokoro",
    "kitten_tts": "model_runtime.engines.speech.kitten",
    "sesame": "model_runtime.engines.speech.marvis",
    "qwen3_tts": "model_runtime.engines.speech.qwen3_tts",
}
"""Family → the module whose `load(spec, config)` returns its `VoiceModel`."""

EMPTY_TEXT_MESSAGE = "Without its code blocks, markup and emoji the text has nothing to speak. Send a sentence."


class SpeechEngine:
    """Speak texts, and yield each piece of audio as soon as it is synthesized."""

    _voice_model: VoiceModel

    def __init__(self) -> None:
        self._model_name = ""
        self._voice_catalog = VoiceCatalog("", (), ())

    @property
    def takes_turns(self) -> bool:
        """Whether texts take turns: families that speak frame by frame keep their state on the model."""
        return self._voice_model.takes_turns

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights of the role "model" and, for Marvis, "codec".

        Raises:
            LoadFailed: the files are of an unsupported family, incomplete or unreadable.
        """
        mx.reset_peak_memory()
        folder, config = open_checkpoint(spec)
        self._model_name, self._voice_catalog = spec.model, read_voices(folder)
        if self._voice_catalog.family not in VOICE_MODEL_MODULES:
            raise LoadFailed(
                f"{spec.model} is of the family {config.get('model_type')!r}, which Senses does not support. "
                f"Choose a model of {', '.join(VOICE_MODEL_MODULES)}."
            )
        if not (self._voice_catalog.names and self._voice_catalog.languages):
            raise LoadFailed(f"{spec.model} has no voices in {folder}. Download the model again.")
        report_progress("weights", 0.0)
        with translate_load_errors(spec.model, config):
            self._voice_model = import_module(VOICE_MODEL_MODULES[self._voice_catalog.family]).load(spec, config)
        report_progress("weights", 1.0)
        active = mx.get_active_memory()
        return LoadedModel(weights_bytes=active, active_bytes=active, peak_bytes=mx.get_peak_memory())

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Yield `Warnings` if any, `AudioChunk`s with `Progress` in characters, then a `SpeechResult`.

        The same request always gives the same samples.

        Raises:
            InvalidInput: the request is not a `Speak`, its text has nothing to speak, or the model does not support its
                voice or language.
            JobFailed: the samples are not finite.
            Cancelled: `check_cancelled` raised it between two pieces.
        """
        if not isinstance(request, Speak):
            raise InvalidInput(f"{self._model_name} only supports speech synthesis.", param="model")
        validate_text(request.text)
        selection = self._voice_catalog.select(
            self._model_name, request.text, voice=request.voice, language=request.language
        )
        if self._voice_model.supports_instructions:
            selection = replace(selection, instructions=normalize_text(request.instructions))
        text, warnings = self._prepare_text(request, selection.language)
        mx.random.seed(0)
        sample_rate, sample_count = self._voice_model.sample_rate, 0
        if warnings:
            yield Warnings(warnings)
        yield Progress("characters", 0, len(text))
        for piece in self._voice_model.speak(text, selection, request.speed, check_cancelled):
            sample_count += len(piece.samples)
            if not np.isfinite(piece.samples).all():
                raise JobFailed(
                    f"{self._model_name} produced invalid sound (NaN or infinity). Try another text or voice."
                )
            if len(piece.samples):
                yield AudioChunk(_to_pcm(piece.samples), sample_rate)
            yield Progress("characters", piece.spoken_characters, len(text))
        if not sample_count:
            raise InvalidInput(EMPTY_TEXT_MESSAGE, param="text", code="empty_text")
        yield SpeechResult(sample_count / sample_rate, sample_rate, selection.voice, selection.language, warnings)

    def idle(self) -> None:
        """Release caches, and what malloc keeps of them: 60 MB of Kokoro's convolutions."""
        gc.collect()
        mx.clear_cache()
        release_memory()

    def _prepare_text(self, request: Speak, language: str) -> tuple[str, tuple[str, ...]]:
        text, warnings = normalize_text(request.text), []
        dropped_letters = 0
        if not self._voice_model.supports_any_script:
            text, dropped_letters = drop_foreign_letters(language, text)
        if not any(letter.isalnum() for letter in text):
            raise InvalidInput(EMPTY_TEXT_MESSAGE, param="text", code="empty_text")
        if dropped_letters:
            warnings.append(
                f"{dropped_letters} of the letters were left out: they are not letters of {language_name(language)}, "
                f"and {self._model_name} cannot read them."
            )
        if request.speed != 1 and not self._voice_model.supports_speed:
            warnings.append(f"{self._model_name} does not support a speed; {request.speed:g} was ignored.")
        if request.instructions and not self._voice_model.supports_instructions:
            warnings.append(f"{self._model_name} takes no instructions; they were ignored.")
        return text, tuple(warnings)


def _to_pcm(samples: np.ndarray) -> bytes:
    """Return finite samples (samples,) as s16le; those outside -1..1 are clipped."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
