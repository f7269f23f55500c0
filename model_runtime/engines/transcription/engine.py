"""The transcription engine: Whisper with mlx-whisper's modules. It yields segments window by window."""

import gc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from model_runtime.catalog.languages import language_name, parse_language
from model_runtime.engines.protocol import CancelCheck, LoadReporter
from model_runtime.engines.transcription.decoding import TEMPERATURE_FALLBACK, RandomKeys, decode_window, is_silent
from model_runtime.engines.transcription.mel import (
    FRAMES_PER_SECOND,
    PAUSE_FRAMES,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    LogMelSpectrogram,
)
from model_runtime.engines.transcription.mlx_whisper_patches import tokenizer as tokenizers
from model_runtime.engines.transcription.whisper_loading import load_whisper
from model_runtime.engines.transcription.windows import FRAMES_PER_TIMESTAMP, SegmentSpan, WindowSplit, split_window
from model_runtime.engines.transcription.word_timestamps import align_words
from model_runtime.errors import InvalidInput, InvalidMedia
from model_runtime.events import EngineEvent, LanguageDetected, Progress, Result, Segment, TranscriptionResult, Word
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request, Transcribe

MIN_LANGUAGE_PROBABILITY = 0.5
"""A detected language with a lower probability is not reported for a recording without speech."""


@dataclass(slots=True)
class DecodingState:
    """The state of a transcription between two windows, with the names of Whisper's transcribe.py."""

    seek: int = 0
    """First frame (10 ms) of the next window."""
    all_tokens: list[int] = field(default_factory=list)
    """Tokens of the request's prompt and of all segments."""
    prompt_reset_since: int = 0
    """Index in `all_tokens` where the next window's prompt starts."""
    last_speech_seconds: float = 0.0
    segments: list[Segment] = field(default_factory=list)


class TranscriptionEngine:
    """Transcribe recordings, which take turns window by window."""

    takes_turns = True

    def __init__(self) -> None:
        self._model_name = ""
        self._model: Any = None
        self._trusts_no_speech = self._always_resets_prompt = False

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights of the role "model".

        Options: "trust_no_speech_probability", whether the probability of no speech decides alone;
        "ignore_previous_text", whether the text of earlier windows is left out of the prompt.

        Raises:
            LoadFailed: the files are not a Whisper model, incomplete or unreadable.
        """
        mx.reset_peak_memory()
        report_progress("weights", 0.0)
        self._model_name, self._model = spec.model, load_whisper(spec)
        self._trusts_no_speech = bool(spec.options.get("trust_no_speech_probability"))
        self._always_resets_prompt = bool(spec.options.get("ignore_previous_text"))
        report_progress("weights", 1.0)
        active = mx.get_active_memory()
        return LoadedModel(active, active, mx.get_peak_memory(), self._model.dims.n_text_ctx)

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Yield `LanguageDetected` if it was detected, `Segment`s and `Progress` in seconds, a `TranscriptionResult`.

        Raises:
            InvalidInput: the request is not a `Transcribe`, or the model does not support its language or task.
            InvalidMedia: the audio is not sampled at 16 kHz.
            Cancelled: `check_cancelled` raised it between two tokens.
        """
        if not isinstance(request, Transcribe):
            raise InvalidInput(f"{self._model_name} only supports transcription.", param="model")
        if request.audio.sample_rate != SAMPLE_RATE:
            raise InvalidMedia(
                f"The audio has {request.audio.sample_rate} samples a second, not {SAMPLE_RATE}. Resample it.",
                param="audio",
            )
        seconds = request.audio.duration_seconds
        yield Progress("seconds", 0, seconds)
        spectrogram = LogMelSpectrogram(request.audio.pcm, self._model.dims.n_mels)
        for _ in spectrogram.find_peak_level(check_cancelled):
            yield Progress("seconds", 0, seconds)  # ends a turn: this reads the whole recording
        requested_language = parse_language(request.language)
        language, probability, features = self._select_language(
            requested_language, request, spectrogram, check_cancelled
        )
        if not requested_language:
            yield LanguageDetected(language, probability)
        transcription = _TranscriptionRun(
            self._model,
            request,
            language,
            spectrogram,
            check_cancelled,
            trust_no_speech=self._trusts_no_speech,
            always_reset_prompt=self._always_resets_prompt,
        )
        yield from transcription.run(features)
        segments = tuple(transcription.state.segments)
        is_unsure = probability is not None and probability < MIN_LANGUAGE_PROBABILITY
        text = "".join(segment.text for segment in segments).strip()
        yield TranscriptionResult(text, "" if is_unsure and not segments else language, seconds, segments)

    def idle(self) -> None:
        """Release caches."""
        gc.collect()
        mx.clear_cache()

    def _select_language(
        self, requested_language: str, request: Transcribe, spectrogram: LogMelSpectrogram, check_cancelled: CancelCheck
    ) -> tuple[str, float | None, mx.array | None]:
        """Return the language and, if it was detected, its probability and the features of the first window."""
        if not self._model.is_multilingual:
            self._require_english(requested_language, translate=request.translate)
            return "en", None, None
        if requested_language:
            return self._require_supported_language(requested_language), None, None
        check_cancelled()
        first_sound = spectrogram.after_pause(0)
        first_frame = first_sound if first_sound < spectrogram.frames else 0
        features = _encode_window(self._model, spectrogram, first_frame, _window_frames(spectrogram, first_frame))
        _, language_probabilities = self._model.detect_language(features)
        language = max(language_probabilities[0], key=language_probabilities[0].__getitem__)
        return language, _round_finite(language_probabilities[0][language], 4), features

    def _require_english(self, language: str, *, translate: bool) -> None:
        if language not in ("", "en") or translate:
            raise InvalidInput(
                f"{self._model_name} only supports English without translation. Use stt-fast or stt-best.",
                param="translate" if translate else "language",
                code="unsupported_language",
            )

    def _require_supported_language(self, language: str) -> str:
        if language not in list(tokenizers.LANGUAGES)[: self._model.num_languages]:
            raise InvalidInput(
                f"{self._model_name} does not support {language_name(language)}. Use stt-fast or stt-best.",
                param="language",
                code="unsupported_language",
            )
        return language


class _TranscriptionRun:
    """The transcription of one request, window by window."""

    def __init__(
        self,
        model: Any,
        request: Transcribe,
        language: str,
        spectrogram: LogMelSpectrogram,
        check_cancelled: CancelCheck,
        *,
        trust_no_speech: bool,
        always_reset_prompt: bool,
    ) -> None:
        self.state = DecodingState(seek=spectrogram.after_pause(0))
        self._trusts_no_speech, self._always_resets_prompt = trust_no_speech, always_reset_prompt
        self._model, self._request, self._check_cancelled = model, request, check_cancelled
        self._language, self._spectrogram = language, spectrogram
        self._task = "translate" if request.translate else "transcribe"
        self._temperatures = TEMPERATURE_FALLBACK if request.temperature is None else (request.temperature,)
        self._random_keys = RandomKeys(seed=0)
        self._tokenizer = tokenizers.get_tokenizer(
            model.is_multilingual, num_languages=model.num_languages, language=language, task=self._task
        )
        if request.prompt.strip():
            self.state.all_tokens = self._tokenizer.encode(" " + request.prompt.strip())

    def run(self, features: mx.array | None) -> Iterator[EngineEvent]:
        """Decode all windows; `features` (1, positions, width) are those of the first one, if they were computed."""
        state, seconds = self.state, self._request.audio.duration_seconds
        while state.seek < self._spectrogram.frames:
            self._check_cancelled()
            frames = _window_frames(self._spectrogram, state.seek)
            if features is None:
                features = _encode_window(self._model, self._spectrogram, state.seek, frames)
            yield from self._decode_window(features, frames)
            self._skip(self._spectrogram.after_pause(state.seek) - state.seek)
            features = None
            mx.clear_cache()
            if state.seek < self._spectrogram.frames > WINDOW_FRAMES:  # a short recording ends in one turn
                yield Progress("seconds", state.seek / FRAMES_PER_SECOND, seconds)
        yield Progress("seconds", seconds, seconds)

    def _decode_window(self, features: mx.array, frames: int) -> Iterator[Segment]:
        state = self.state
        result = decode_window(
            self._model,
            features,
            language=self._language,
            task=self._task,
            prompt=state.all_tokens[state.prompt_reset_since :],
            temperatures=self._temperatures,
            random_keys=self._random_keys,
            check_cancelled=self._check_cancelled,
            trust_no_speech=self._trusts_no_speech,
        )
        if is_silent(result, trust_no_speech=self._trusts_no_speech):
            self._skip(frames)
            return
        split = split_window(result.tokens, self._tokenizer.timestamp_begin, frames)
        segment_dicts = [found for found in map(self._segment_dict, split.spans) if found["text"].strip()]
        consumed_frames = split.consumed_frames
        if self._request.word_timestamps and segment_dicts:
            consumed_frames = self._align_words(segment_dicts, split, frames)
        for segment_dict in segment_dicts:
            segment = _to_segment(len(state.segments), state.seek, segment_dict, result)
            if segment.end > segment.start:
                state.segments.append(segment)
                state.all_tokens += segment.tokens
                yield segment
        window_start = state.seek / FRAMES_PER_SECOND
        state.seek += max(1, consumed_frames)  # a window that consumes no frame would repeat for ever
        self._reset_prompt(result.temperature, window_start)

    def _skip(self, frames: int) -> None:
        """Go on after frames without speech, and leave the text before them out of the next window's prompt."""
        if frames:
            self.state.seek += frames
            self.state.prompt_reset_since = len(self.state.all_tokens)

    def _reset_prompt(self, temperature: float, window_start: float) -> None:
        """Leave text out of the next window's prompt that would mislead: what was sampled, or stands before a pause.

        A prompt makes up for a sentence that the end of a window cut.
        """
        state = self.state
        last_end = max(window_start, state.segments[-1].end if state.segments else 0.0)
        is_pause = state.seek - last_end * FRAMES_PER_SECOND > PAUSE_FRAMES
        if self._always_resets_prompt or temperature > 0 or is_pause:
            state.prompt_reset_since = len(state.all_tokens)

    def _segment_dict(self, span: SegmentSpan) -> dict[str, Any]:
        """Return a segment in mlx-whisper's format, which its word alignment takes; times in seconds."""
        eot = self._tokenizer.eot
        start, seconds_per_timestamp = self.state.seek / FRAMES_PER_SECOND, FRAMES_PER_TIMESTAMP / FRAMES_PER_SECOND
        return {
            "seek": self.state.seek,
            "start": start + span.start * seconds_per_timestamp,
            "end": min(start + span.end * seconds_per_timestamp, self._request.audio.duration_seconds),
            "text": self._tokenizer.decode([token for token in span.tokens if token < eot]),
            "tokens": list(span.tokens),
            "words": [],
        }

    def _align_words(self, segment_dicts: Sequence[dict[str, Any]], split: WindowSplit, frames: int) -> int:
        """Add the words to the segments, and return the frames to the next window.

        If speech continues after the last span, the next window starts at the end of the last word.
        """
        state = self.state
        align_words(
            segment_dicts,
            self._model,
            self._tokenizer,
            self._spectrogram.window(state.seek, frames).astype(_model_dtype(self._model)),
            frames=frames,
            last_speech_seconds=state.last_speech_seconds,
        )
        word_ends = [word["end"] for segment_dict in segment_dicts for word in segment_dict["words"]]
        if not word_ends:
            return split.consumed_frames
        state.last_speech_seconds = float(word_ends[-1])
        frames_to_last_word = round(state.last_speech_seconds * FRAMES_PER_SECOND) - state.seek
        if split.ends_open and frames_to_last_word > 0:
            return min(frames, frames_to_last_word)
        return split.consumed_frames


def _window_frames(spectrogram: LogMelSpectrogram, first_frame: int) -> int:
    return min(WINDOW_FRAMES, spectrogram.frames - first_frame)


def _encode_window(model: Any, spectrogram: LogMelSpectrogram, first_frame: int, frames: int) -> mx.array:
    features = model.encoder(spectrogram.window(first_frame, frames)[None].astype(_model_dtype(model)))
    mx.eval(features)
    return features


def _model_dtype(model: Any) -> mx.Dtype:
    return model.decoder.positional_embedding.dtype


def _to_segment(segment_id: int, seek: int, segment_dict: dict[str, Any], result: Any) -> Segment:
    return Segment(
        id=segment_id,
        start=round(float(segment_dict["start"]), 3),
        end=round(float(segment_dict["end"]), 3),
        text=segment_dict["text"],
        seek=seek,
        tokens=tuple(segment_dict["tokens"]),
        temperature=_round_finite(result.temperature, 2),
        avg_logprob=_round_finite(result.avg_logprob, 4),
        compression_ratio=_round_finite(result.compression_ratio, 3),
        no_speech_prob=_round_finite(result.no_speech_prob, 6),
        words=tuple(
            Word(
                word["word"],
                round(float(word["start"]), 3),
                round(float(word["end"]), 3),
                _round_finite(word["probability"], 4),
            )
            for word in segment_dict["words"]
        ),
    )


def _round_finite(number: float, digits: int) -> float | None:
    """Return a rounded number, or None for NaN and infinity, which JSON does not have."""
    return round(float(number), digits) if math.isfinite(number) else None
