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
from model_runtime.events import AudioChunk, Event, Finished, SpeechResult, Warnings
from model_runtime.media.speech_encoder import CONTENT_TYPES, SpeechEncoder
from model_runtime.requests import Speak, Task
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import client_name, expect_result, model_headers, senses_fields
from openai_compat.api.schemas import SpeechBody
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, LateHeaders, encode_event

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
ZERO_USAGE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


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
        model_status = next((status for status in self.service.status().models if status.name == model), None)
        voice = resolve_voice(body.voice.id, model_status.voices if model_status else (), model)
        speech_run = SpeechRun(model, model_status is not None and model_status.starter, body.response_format)
        speak_request = Speak(model, body.input, voice=voice, speed=body.speed, language=body.language)
        events = self.service.run(
            speak_request, client=client_name(request.headers), keep_alive_seconds=body.keep_alive
        )
        if body.stream_format == "sse":
            return DeferredStreamingResponse(speech_run.sse_events(events))
        media_type = CONTENT_TYPES[body.response_format]
        return DeferredStreamingResponse(
            speech_run.audio_chunks(events), media_type=media_type, encode_error=None, ping_seconds=inf
        )


def voices_of(service: Service, model: str) -> tuple[str, ...]:
    """Return a model's voices as far as they are known."""
    return next((status.voices for status in service.status().models if status.name == model), ())


def resolve_voice(requested: str, voices: Sequence[str], model: str) -> str:
    """Return the model's own name for a voice; empty is its default.

    OpenAI's names always work, because clients send them without asking: each means the voice that is named after
    it (Kokoro has `af_alloy`), else one of the model's voices, always the same.

    Raises:
        InvalidInput: the model has no such voice; the message lists those it has.
    """
    name = requested.strip().lower()
    if not name or name in ("auto", "default"):
        return ""
    voices_by_lower_name = {voice.lower(): voice for voice in voices}
    if name in voices_by_lower_name:
        return voices_by_lower_name[name]
    if name in OPENAI_VOICES:
        suffix_match = next((voice for voice in voices if voice.lower().endswith(f"_{name}")), None)
        return suffix_match or (voices[OPENAI_VOICES.index(name) % len(voices)] if voices else "")
    if voices:
        raise InvalidInput(f"{model} has no voice {requested!r}. Its voices: {', '.join(voices)}.", param="voice")
    return requested


@dataclass(slots=True)
class SpeechRun:
    """A text being read aloud: by which model, in which format, and how it ended once it has."""

    model: str
    starter: bool
    audio_format: str
    finished: Finished | None = None

    async def audio_chunks(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Encode speech as it comes, with one encoder from beginning to end, off the event loop."""
        encoder: SpeechEncoder | None = None
        warnings: list[str] = []
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Warnings):
                    warnings += event.warnings
                elif isinstance(event, AudioChunk):
                    if encoder is None:
                        encoder = SpeechEncoder(self.audio_format, event.sample_rate)
                        yield LateHeaders(self._headers(event.sample_rate, warnings))
                    if encoded := await to_thread.run_sync(encoder.feed, event.pcm):
                        yield encoded
                elif isinstance(event, Finished):
                    self.finished = event
        _, speech = expect_result(self.finished, SpeechResult)
        encoder = encoder or SpeechEncoder(self.audio_format, speech.sample_rate)
        yield await to_thread.run_sync(encoder.close)

    async def sse_events(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Write the same sound as server-sent events; all their bytes together are the file."""
        async with aclosing(self.audio_chunks(events)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, bytes) and chunk:
                    payload = {"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()}
                    yield encode_event(payload, "speech.audio.delta")
        finished, _ = expect_result(self.finished, SpeechResult)
        done_payload = {"type": "speech.audio.done", "usage": ZERO_USAGE, "senses": senses_fields(finished)}
        yield encode_event(done_payload, "speech.audio.done")

    def _headers(self, sample_rate: int, warnings: Sequence[str]) -> dict[str, str]:
        """Raw samples say in their type what they are; every format tells its rate and its model in headers of ours."""
        headers = model_headers(self.model, starter=self.starter, warnings=warnings)
        headers["x-sample-rate"] = str(sample_rate)
        if self.audio_format == "pcm":
            headers["content-type"] = f"audio/pcm;rate={sample_rate};channels=1"
        return headers
