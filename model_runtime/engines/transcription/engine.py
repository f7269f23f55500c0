"""The recognition engine: Whisper on mlx-whisper's parts, with every segment sent as soon as its window is decoded."""

import gc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from model_runtime.catalog.languages import language_name
from model_runtime.engines.protocol import Check, Report
from model_runtime.engines.transcription.decoding import LADDER, decode, is_silent
from model_runtime.engines.transcription.loading import load_whisper
from model_runtime.engines.transcription.mel import FRAMES_PER_SECOND, SAMPLE_RATE, WINDOW_FRAMES, Spectrogram
from model_runtime.engines.transcription.mlx_whisper_patches import tokenizer as tokenizers
from model_runtime.engines.transcription.windows import FRAMES_PER_STEP, Cut, Stretch, cut
from model_runtime.engines.transcription.word_timestamps import align_words
from model_runtime.errors import BadMedia, InvalidInput
from model_runtime.events import EngineEvent, LanguageFound, Progress, Result, Segment, Transcript, Word
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request, Transcribe
from model_runtime.validation.transcription import known_language

HOT = 0.5
"""Text decoded above this temperature is not given to the next window as context."""

SURE = 0.5


@dataclass(slots=True)
class Course:
    """How far a transcription is: the frame it has come to, what was said, and what the next window is told of it."""

    frame: int = 0
    context: list[int] = field(default_factory=list)
    forgotten: int = 0
    last_speech_seconds: float = 0.0
    segments: list[Segment] = field(default_factory=list)


class RecognitionEngine:
    """Writes down one recording at a time."""

    def __init__(self) -> None:
        self._name = ""
        self._model: Any = None
        self._sure = False

    def load(self, spec: LoadSpec, report: Report) -> LoadedModel:
        """Load and evaluate all weights; role "model".

        The option "sure_of_silence" says that the model knows by itself when nobody speaks, "forgets_windows" that the
        text of earlier windows only misleads it.

        Raises:
            LoadFailed: the files are no Whisper model, incomplete or unreadable.
        """
        mx.reset_peak_memory()
        report("weights", 0.0)
        self._name, self._model = spec.model, load_whisper(spec)
        self._sure = bool(spec.options.get("sure_of_silence"))
        self._forgets = bool(spec.options.get("forgets_windows"))
        report("weights", 1.0)
        active = mx.get_active_memory()
        return LoadedModel(active, active, mx.get_peak_memory(), self._model.dims.n_text_ctx)

    def run(self, request: Request, check: Check) -> Iterator[EngineEvent | Result]:
        """Write down a recording: `LanguageFound` where asked, `Segment`s and `Progress` in seconds, `Transcript`.

        Raises:
            InvalidInput: the recording, the language or the task is nothing the model can do.
            Cancelled: within a token, once `check` says so.
        """
        if not isinstance(request, Transcribe):
            raise InvalidInput(f"{self._name} writes down recordings and can do nothing else.", param="model")
        if request.sound.sample_rate != SAMPLE_RATE:
            raise BadMedia(f"The recording has {request.sound.sample_rate} samples a second, not 16000.", param="audio")
        mx.random.seed(0)
        seconds = request.sound.seconds
        yield Progress("seconds", 0, seconds)
        spectrogram = Spectrogram(request.sound.pcm, self._model.dims.n_mels, check)
        asked = known_language(request.language)
        language, probability, features = self._language(asked, request, spectrogram, check)
        if not asked:
            yield LanguageFound(language, probability)
        job = _Job(self._model, request, language, spectrogram, check, sure=self._sure, forgets=self._forgets)
        yield from job.run(features)
        heard = "" if not job.course.segments and probability is not None and probability < SURE else language
        segments = tuple(job.course.segments)
        yield Transcript("".join(segment.text for segment in segments).strip(), heard, seconds, segments)

    def idle(self) -> None:
        """Give back caches."""
        gc.collect()
        mx.clear_cache()

    def _language(
        self, asked: str, request: Transcribe, spectrogram: Spectrogram, check: Check
    ) -> tuple[str, float | None, mx.array | None]:
        """Return the language, how sure that is, and the features of the first window where they had to be computed."""
        if not self._model.is_multilingual:
            self._refuse_foreign(asked, translate=request.translate)
            return "en", None, None
        if asked:
            return self._known(asked), None, None
        check()
        features = _encode(self._model, spectrogram, 0, min(WINDOW_FRAMES, spectrogram.frames))
        _, found = self._model.detect_language(features)
        language = max(found[0], key=found[0].__getitem__)
        return language, _finite(found[0][language], 4), features

    def _refuse_foreign(self, language: str, *, translate: bool) -> None:
        if language not in ("", "en") or translate:
            raise InvalidInput(
                f"{self._name} hears English only and cannot translate. Use stt-fast or stt-best.",
                param="translate" if translate else "language",
                code="unsupported_language",
            )

    def _known(self, language: str) -> str:
        if language not in list(tokenizers.LANGUAGES)[: self._model.num_languages]:
            raise InvalidInput(
                f"{self._name} does not know {language_name(language)}. Use stt-fast or stt-best.",
                param="language",
                code="unsupported_language",
            )
        return language


class _Job:
    """One transcription, window by window."""

    def __init__(
        self,
        model: Any,
        request: Transcribe,
        language: str,
        spectrogram: Spectrogram,
        check: Check,
        *,
        sure: bool,
        forgets: bool,
    ) -> None:
        self.course = Course()
        self._sure, self._forgets = sure, forgets
        self._model, self._request, self._check = model, request, check
        self._language, self._spectrogram = language, spectrogram
        self._task = "translate" if request.translate else "transcribe"
        self._temperatures = LADDER if request.temperature is None else (request.temperature,)
        self._words = tokenizers.get_tokenizer(
            model.is_multilingual, num_languages=model.num_languages, language=language, task=self._task
        )
        if request.prompt.strip():
            self.course.context = self._words.encode(" " + request.prompt.strip())

    def run(self, features: mx.array | None) -> Iterator[EngineEvent]:
        """Decode window after window; `features` are those of the first one where they are known."""
        course, seconds = self.course, self._request.sound.seconds
        while course.frame < self._spectrogram.frames:
            self._check()
            frames = min(WINDOW_FRAMES, self._spectrogram.frames - course.frame)
            if features is None:
                features = _encode(self._model, self._spectrogram, course.frame, frames)
            yield from self._window(features, frames)
            features = None
            mx.clear_cache()
            yield Progress("seconds", min(seconds, course.frame / FRAMES_PER_SECOND), seconds)

    def _window(self, features: mx.array, frames: int) -> Iterator[Segment]:
        course = self.course
        result = decode(
            self._model, features, language=self._language, task=self._task, prompt=course.context[course.forgotten :],
            temperatures=self._temperatures, check=self._check, sure=self._sure,
        )  # fmt: skip
        if is_silent(result, sure=self._sure):
            course.frame += frames
            return
        found = cut(result.tokens, self._words.timestamp_begin, frames)
        pieces = [piece for piece in (self._piece(stretch) for stretch in found.stretches) if piece["text"].strip()]
        moved = self._align(pieces, found, frames) if self._request.words else found.frames
        for piece in pieces:
            segment = _segment(len(course.segments), course.frame, piece, result)
            if segment.end > segment.start:
                course.segments.append(segment)
                course.context += segment.tokens
                yield segment
        if self._forgets or result.temperature > HOT:
            course.forgotten = len(course.context)
        course.frame += max(1, moved)

    def _piece(self, stretch: Stretch) -> dict[str, Any]:
        """A segment in the library's own form, which its alignment of words takes."""
        end = self._words.eot
        start, length = self.course.frame / FRAMES_PER_SECOND, FRAMES_PER_STEP / FRAMES_PER_SECOND
        return {
            "seek": self.course.frame,
            "start": start + stretch.start * length,
            "end": min(start + stretch.end * length, self._request.sound.seconds),
            "text": self._words.decode([token for token in stretch.tokens if token < end]),
            "tokens": list(stretch.tokens),
            "words": [],
        }

    def _align(self, pieces: Sequence[dict[str, Any]], found: Cut, frames: int) -> int:
        """Add the words' times and return how many frames to move on: where the end is unheard, to the last word."""
        if not pieces:
            return found.frames
        course = self.course
        mel = self._spectrogram.window(course.frame, frames).astype(_precision(self._model))
        align_words(
            pieces, self._model, self._words, mel, frames=frames, last_speech_seconds=course.last_speech_seconds
        )  # fmt: skip
        ends = [word["end"] for piece in pieces for word in piece["words"]]
        if not ends:
            return found.frames
        course.last_speech_seconds = float(ends[-1])
        last = round(float(ends[-1]) * FRAMES_PER_SECOND) - course.frame
        return min(frames, last) if found.open and last > 0 else found.frames


def _encode(model: Any, spectrogram: Spectrogram, first: int, frames: int) -> mx.array:
    features = model.encoder(spectrogram.window(first, frames)[None].astype(_precision(model)))
    mx.eval(features)
    return features


def _precision(model: Any) -> mx.Dtype:
    return model.decoder.positional_embedding.dtype


def _segment(number: int, frame: int, piece: dict[str, Any], result: Any) -> Segment:
    return Segment(
        id=number,
        start=round(float(piece["start"]), 3),
        end=round(float(piece["end"]), 3),
        text=piece["text"],
        seek=frame,
        tokens=tuple(piece["tokens"]),
        temperature=_finite(result.temperature, 2),
        avg_logprob=_finite(result.avg_logprob, 4),
        compression_ratio=_finite(result.compression_ratio, 3),
        no_speech_prob=_finite(result.no_speech_prob, 6),
        words=tuple(
            Word(
                word["word"],
                round(float(word["start"]), 3),
                round(float(word["end"]), 3),
                _finite(word["probability"], 4),
            )
            for word in piece["words"]
        ),
    )


def _finite(number: float, digits: int) -> float | None:
    """Round; None for what JSON has no number for."""
    return round(float(number), digits) if math.isfinite(number) else None
