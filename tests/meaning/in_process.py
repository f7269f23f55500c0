"""The starters behind their engines in this process, with the media code that the daemon has around them.

Every model is loaded anew by each of these, so that a defect seeded anywhere in the path takes effect.
"""

from functools import cached_property
from typing import Any

from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.engines.registry import open_engine
from model_runtime.events import AudioChunk, Drawing, Segment, Transcript
from model_runtime.loading import LoadSpec
from model_runtime.media import audio, pictures, speech
from model_runtime.requests import Chat, GenerateImage, Message, Speak, Transcribe
from tests.meaning.face import SOURCE, TIMES, Heard, Span
from tests.model_runtime.engines.driving import ask
from tests.model_runtime.engines.sounding import drive, of, quiet

MOST_TOKENS = 48


class InProcess:
    """A face without processes and protocols."""

    offers: frozenset[str] = frozenset({TIMES, SOURCE})
    speech_formats: tuple[str, ...] = tuple(speech.CONTENT_TYPES)

    async def see(self, file: bytes, question: str) -> str:
        """Answer a question about a picture file."""
        message = Message("user", (pictures.decode_picture(file), question))
        return ask(self._eyes, Chat("vlm-starter", (message,), max_tokens=MOST_TOKENS)).text

    async def hear(self, file: bytes, *, words: bool = False) -> Heard:
        """Write down a recording."""
        result = drive(self._ears, Transcribe("stt-starter", audio.decode_sound(file), words=words))[-1]
        assert isinstance(result, Transcript)
        return Heard(result.text, result.duration, _segments(result.segments), _words(result.segments))

    async def say(self, text: str, *, form: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Speak into a file."""
        chunks = of(AudioChunk, drive(self._voice, Speak("tts-starter", text, voice=voice, speed=speed)))
        return speech.encode_speech(b"".join(chunk.pcm for chunk in chunks), chunks[0].sample_rate, form)

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Draw a PNG."""
        before = pictures.decode_picture(source) if source else None
        request = GenerateImage("image-starter", prompt, width, height, seed, source=before, strength=strength)
        drawing = drive(self._brush, request)[-1]
        assert isinstance(drawing, Drawing)
        return drawing.png

    @cached_property
    def _eyes(self) -> Any:
        return opened("vlm-starter")

    @cached_property
    def _ears(self) -> Any:
        return opened("stt-starter")

    @cached_property
    def _voice(self) -> Any:
        return opened("tts-starter")

    @cached_property
    def _brush(self) -> Any:
        return opened("image-starter")


def opened(name: str) -> Any:
    """Load a starter as the catalogue says."""
    model = next(model for model in STARTER_MODELS if model.name == name)
    engine = open_engine(model.engine)
    engine.load(LoadSpec(name, model.engine, {"model": model.path}, model.options), quiet)
    return engine


def _segments(segments: tuple[Segment, ...]) -> tuple[Span, ...]:
    return tuple(Span(one.start, one.end, one.text.strip()) for one in segments)


def _words(segments: tuple[Segment, ...]) -> tuple[Span, ...]:
    return tuple(Span(word.start, word.end, word.word.strip()) for one in segments for word in one.words)
