"""The starters in this process: their engines, and the media code that the daemon runs around them.

Each client loads its own models, so that a defect seeded anywhere in the path takes effect.
"""

from functools import cached_property
from typing import Any

from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.engines.registry import create_engine
from model_runtime.events import AudioChunk, GeneratedImage, Segment, TranscriptionResult
from model_runtime.loading import LoadSpec
from model_runtime.media import audio, images, speech_encoder
from model_runtime.requests import Chat, GenerateImage, Message, Speak, Transcribe
from tests.meaning.face import SOURCE_IMAGE, TIMESTAMPS, TimedText, Transcription
from tests.model_runtime.engines.job_engine_driver import events_of_type, ignore_progress, run_to_end
from tests.model_runtime.engines.step_engine_driver import run_chat

MAX_TOKENS = 48


class InProcessClient:
    """An interface without processes and protocols."""

    features: frozenset[str] = frozenset({TIMESTAMPS, SOURCE_IMAGE})
    speech_formats: tuple[str, ...] = tuple(speech_encoder.CONTENT_TYPES)

    async def describe(self, file: bytes, question: str) -> str:
        """Answer a question about an image file."""
        message = Message("user", (images.decode_image(file), question))
        return run_chat(self._vision_engine, Chat("vlm-starter", (message,), max_tokens=MAX_TOKENS)).text

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Transcribe a recording."""
        result = run_to_end(
            self._transcription_engine,
            Transcribe("stt-starter", audio.decode_audio(file), word_timestamps=word_timestamps),
        )[-1]
        assert isinstance(result, TranscriptionResult)
        return Transcription(result.text, result.duration_seconds, _segments(result.segments), _words(result.segments))

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Return an audio file of a text."""
        chunks = events_of_type(
            AudioChunk, run_to_end(self._speech_engine, Speak("tts-starter", text, voice=voice, speed=speed))
        )
        return speech_encoder.encode_speech(
            b"".join(chunk.pcm for chunk in chunks), chunks[0].sample_rate, audio_format
        )

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Return a generated PNG."""
        source_image = images.decode_image(source) if source else None
        request = GenerateImage(
            "image-starter", prompt, width, height, seed, source_image=source_image, strength=strength
        )
        result = run_to_end(self._image_engine, request)[-1]
        assert isinstance(result, GeneratedImage)
        return result.png

    @cached_property
    def _vision_engine(self) -> Any:
        return load_starter("vlm-starter")

    @cached_property
    def _transcription_engine(self) -> Any:
        return load_starter("stt-starter")

    @cached_property
    def _speech_engine(self) -> Any:
        return load_starter("tts-starter")

    @cached_property
    def _image_engine(self) -> Any:
        return load_starter("image-starter")


def load_starter(name: str) -> Any:
    """Load a starter with the options of its catalogue entry."""
    model = next(model for model in STARTER_MODELS if model.name == name)
    engine = create_engine(model.engine)
    engine.load(LoadSpec(name, model.engine, {"model": model.path}, model.options), ignore_progress)
    return engine


def _segments(segments: tuple[Segment, ...]) -> tuple[TimedText, ...]:
    return tuple(TimedText(one.start, one.end, one.text.strip()) for one in segments)


def _words(segments: tuple[Segment, ...]) -> tuple[TimedText, ...]:
    return tuple(TimedText(word.start, word.end, word.word.strip()) for one in segments for word in one.words)
