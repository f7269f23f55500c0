"""POST /v1/audio/speech: text in, audio out, streamed while it is generated."""

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
from model_runtime.events import AudioChunk, Event, Finished, ModelChosen, SpeechResult, Warnings, expect_result
from model_runtime.media.speech_encoder import CONTENT_TYPES, SpeechEncoder
from model_runtime.requests import Speak, Task
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import model_headers, run_events, senses_fields
from openai_compat.api.schemas import SpeechBody
from openai_compat.api.spoken_text import open_encoder
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, LateHeaders, encode_event
from openai_compat.http.uploads import release_upload

ZERO_USAGE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """The endpoint."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/audio/speech", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Stream a text as speech.

        Raises:
            InvalidInput: the text is empty, or the model does not have the voice.
        """
        body = await read_body(request, SpeechBody)
        release_upload(request.scope)
        if not body.input.strip():
            raise InvalidInput("input is empty. Send the text to speak.", param="input")
        model = await self.service.resolve(body.model, Task.SPEECH)
        status = self.service.status().model(model)
        starter = status is not None and status.starter
        speech_run = SpeechRun(model, starter, body.response_format, body.ignored_warnings())
        speak_request = Speak(
            body.model,
            body.input,
            voice=body.voice.id,
            speed=body.speed,
            language=body.language,
            instructions=body.instructions,
        )
        events = run_events(self.service, speak_request, request, body)
        if body.stream_format == "sse":
            return DeferredStreamingResponse(speech_run.sse_events(events))
        media_type = CONTENT_TYPES[body.response_format]
        return DeferredStreamingResponse(
            speech_run.audio_chunks(events), media_type=media_type, encode_error=None, ping_seconds=inf
        )


@dataclass(slots=True)
class SpeechRun:
    """One speech request. `ignored` come before the model's warnings; `finished` is its last event, None while it runs."""

    model: str
    starter: bool
    audio_format: str
    ignored: tuple[str, ...] = ()
    finished: Finished | None = None

    async def audio_chunks(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Yield encoded audio while it is generated. One encoder, run in threads, writes the whole file."""
        encoder: SpeechEncoder | None = None
        warnings = list(self.ignored)
        event: Event | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ModelChosen):
                    self.model, self.starter = event.model, event.starter
                elif isinstance(event, Warnings):
                    warnings += event.warnings
                elif isinstance(event, AudioChunk):
                    if encoder is None:
                        encoder = await open_encoder(self.audio_format, event.sample_rate)
                        yield LateHeaders(self._headers(event.sample_rate, warnings))
                    if encoded := await to_thread.run_sync(encoder.feed, event.pcm):
                        yield encoded
        self.finished, speech = expect_result(event, SpeechResult)
        encoder = encoder or await open_encoder(self.audio_format, speech.sample_rate)
        yield await to_thread.run_sync(encoder.close)

    async def sse_events(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Chunk]:
        """Yield the same audio as server-sent events. Their decoded audio joins to the file."""
        async with aclosing(self.audio_chunks(events)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, bytes) and chunk:
                    payload = {"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()}
                    yield encode_event(payload, "speech.audio.delta")
        finished, _ = expect_result(self.finished, SpeechResult)
        senses = senses_fields(finished, self.ignored)
        done_payload = {"type": "speech.audio.done", "usage": ZERO_USAGE, "senses": senses}
        yield encode_event(done_payload, "speech.audio.done")

    def _headers(self, sample_rate: int, warnings: Sequence[str]) -> dict[str, str]:
        headers = model_headers(self.model, starter=self.starter, warnings=warnings)
        headers["x-sample-rate"] = str(sample_rate)
        if self.audio_format == "pcm":  # raw samples have no header that states their format
            headers["content-type"] = f"audio/pcm;rate={sample_rate};channels=1"
        return headers
