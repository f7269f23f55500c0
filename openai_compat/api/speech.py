"""POST /v1/audio/speech: text in, sound out, sent as it is spoken."""

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput
from model_runtime.events import AudioChunk, Event, Finished, Speech, Warned
from model_runtime.media.speech import CONTENT_TYPES, SpeechEncoder
from model_runtime.requests import Speak, Task
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import client_name, extras, model_headers, outcome
from openai_compat.api.schemas import SpeechBody
from openai_compat.http.sse import Head, Piece, PieceResponse, event

OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
NOT_COUNTED = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """The endpoint."""

    service: Service

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [Route("/v1/audio/speech", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Read a text aloud."""
        body = await read_body(request, SpeechBody)
        if not body.input.strip():
            raise InvalidInput("input is empty: there is nothing to say.", param="input")
        model = self.service.resolve(body.model, Task.SPEECH)
        known = next((status for status in self.service.status().models if status.name == model), None)
        voice = choose_voice(body.voice.id, known.voices if known else (), model)
        reading = Reading(model, known is not None and known.starter, body.response_format)
        work = Speak(model, body.input, voice=voice, speed=body.speed, language=body.language)
        events = self.service.run(work, client=client_name(request.headers), keep_alive_seconds=body.keep_alive)
        if body.stream_format == "sse":
            return PieceResponse(reading.told(events))
        media_type = CONTENT_TYPES[body.response_format]
        return PieceResponse(reading.sound(events), media_type=media_type, on_error=None, quiet_seconds=inf)


def voices_of(service: Service, model: str) -> tuple[str, ...]:
    """Return a model's voices as far as they are known."""
    return next((status.voices for status in service.status().models if status.name == model), ())


def choose_voice(wanted: str, voices: Sequence[str], model: str) -> str:
    """Return the model's own name for a voice; empty is its default.

    OpenAI's names always work, because clients send them without asking: each means the voice that is named after
    it (Kokoro has `af_alloy`), else one of the model's voices, always the same.

    Raises:
        InvalidInput: the model has no such voice; the message lists those it has.
    """
    name = wanted.strip().lower()
    if not name or name in ("auto", "default"):
        return ""
    own = {voice.lower(): voice for voice in voices}
    if name in own:
        return own[name]
    if name in OPENAI_VOICES:
        namesake = next((voice for voice in voices if voice.lower().endswith(f"_{name}")), None)
        return namesake or (voices[OPENAI_VOICES.index(name) % len(voices)] if voices else "")
    if voices:
        raise InvalidInput(f"{model} has no voice {wanted!r}. Its voices: {', '.join(voices)}.", param="voice")
    return wanted


@dataclass(slots=True)
class Reading:
    """A text being read aloud: by which model, in which format, and how it ended once it has."""

    model: str
    starter: bool
    form: str
    finished: Finished | None = None

    async def sound(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Piece]:
        """Encode speech as it comes, with one encoder from beginning to end, off the event loop."""
        encoder: SpeechEncoder | None = None
        warnings: list[str] = []
        async with aclosing(events):
            async for happened in events:
                if isinstance(happened, Warned):
                    warnings += happened.warnings
                elif isinstance(happened, AudioChunk):
                    if encoder is None:
                        encoder = SpeechEncoder(self.form, happened.sample_rate)
                        yield Head(self._headers(happened.sample_rate, warnings))
                    if encoded := await to_thread.run_sync(encoder.feed, happened.pcm):
                        yield encoded
                elif isinstance(happened, Finished):
                    self.finished = happened
        _, speech = outcome(self.finished, Speech)
        encoder = encoder or SpeechEncoder(self.form, speech.sample_rate)
        yield await to_thread.run_sync(encoder.close)

    async def told(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Piece]:
        """Write the same sound as server-sent events; all their bytes together are the file."""
        async with aclosing(self.sound(events)) as pieces:
            async for piece in pieces:
                if isinstance(piece, bytes) and piece:
                    payload = {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
                    yield event(payload, "speech.audio.delta")
        finished, _ = outcome(self.finished, Speech)
        done = {"type": "speech.audio.done", "usage": NOT_COUNTED, "senses": extras(finished)}
        yield event(done, "speech.audio.done")

    def _headers(self, sample_rate: int, warnings: Sequence[str]) -> dict[str, str]:
        """Raw samples say in their type what they are; every format tells its rate and its model in headers of ours."""
        headers = model_headers(self.model, starter=self.starter, warnings=warnings)
        headers["x-sample-rate"] = str(sample_rate)
        if self.form == "pcm":
            headers["content-type"] = f"audio/pcm;rate={sample_rate};channels=1"
        return headers
