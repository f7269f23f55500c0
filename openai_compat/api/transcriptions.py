"""POST /v1/audio/transcriptions and /v1/audio/translations: a recording in, text out, whole or by segment."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from model_runtime.catalog.languages import language_name, parse_language
from model_runtime.events import Event, Finished, Segment, TranscriptionResult, Word, expect_result
from model_runtime.formats import subtitles
from model_runtime.media.types import Audio
from model_runtime.requests import Task, Transcribe
from model_runtime.service import Service
from openai_compat.api.audio_uploads import AudioUpload, open_upload
from openai_compat.api.generation import collect_result, model_headers, run_events, senses_fields
from openai_compat.api.schemas import TranscriptionBody
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event

UNSPECIFIC_MODELS = frozenset({"", "auto", "whisper-1"})
"""Names that leave the choice to Senses. Translations then use the best model, since fast ones translate badly."""


@dataclass(frozen=True, slots=True)
class TranscriptionEndpoint:
    """Both endpoints. A translation is always English."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/audio/transcriptions", partial(self.create, translate=False), methods=["POST"]),
            Route("/v1/audio/translations", partial(self.create, translate=True), methods=["POST"]),
        ]

    async def create(self, request: Request, *, translate: bool) -> Response:
        """Transcribe a recording in its language, or translate it into English text."""
        async with AsyncExitStack() as files:
            upload = await files.enter_async_context(open_upload(request, TranscriptionBody))
            body = upload.body
            model = "best" if translate and body.model.lower() in UNSPECIFIC_MODELS else body.model
            name, language = await self.service.resolve(model, Task.TRANSCRIPTION), parse_language(body.language)
            to_request = partial(
                Transcribe,
                name,
                language=language,
                translate=translate,
                prompt=body.prompt,
                # OpenAI's 0 means Whisper's temperature fallback, not a temperature
                temperature=body.temperature or None,
                word_timestamps="word" in body.timestamp_granularities and body.response_format == "verbose_json",
            )
            events = self._transcribe(request, upload, to_request, files.pop_all())
        if body.stream:
            return DeferredStreamingResponse(transcript_events(events, body.ignored_warnings()))
        async with cancel_on_disconnect(request.receive):
            return render_transcript(
                *await collect_result(events, TranscriptionResult),
                body,
                task="translate" if translate else "transcribe",
            )

    async def _transcribe(
        self,
        request: Request,
        upload: AudioUpload[TranscriptionBody],
        to_request: Callable[[Audio], Transcribe],
        files: AsyncExitStack,
    ) -> AsyncGenerator[Event]:
        """Decode an upload, delete its `files` and transcribe it. A stream is kept alive meanwhile."""
        async with files:
            audio = await self.service.media.decode_audio(upload.source, param=upload.param)
        async with aclosing(run_events(self.service, to_request(audio), request, upload.body)) as events:
            async for event in events:
                yield event


def render_transcript(
    finished: Finished, transcript: TranscriptionResult, body: TranscriptionBody, *, task: str
) -> Response:
    """Return a transcript in the requested format."""
    ignored = body.ignored_warnings()
    headers = model_headers(finished.model, starter=finished.starter, warnings=[*ignored, *transcript.warnings])
    match body.response_format:
        case "text":
            return PlainTextResponse(transcript.text.strip() + "\n", headers=headers)
        case "srt":
            return PlainTextResponse(subtitles.to_srt(transcript.segments), headers=headers)
        case "vtt":
            return PlainTextResponse(subtitles.to_vtt(transcript.segments), headers=headers)
        case "verbose_json":
            return JSONResponse(
                verbose_json(transcript, body, task=task) | {"senses": senses_fields(finished, ignored)}
            )
        case "json":
            senses = senses_fields(finished, ignored)
            return JSONResponse(
                {"text": transcript.text.strip(), "usage": duration_usage(transcript), "senses": senses}
            )


def verbose_json(transcript: TranscriptionResult, body: TranscriptionBody, *, task: str) -> dict[str, Any]:
    """Return verbose_json with the requested granularities, segments by default."""
    granularities = body.timestamp_granularities or {"segment"}
    payload: dict[str, Any] = {
        "task": task,
        # the name in lower case, which clients look up in a table
        "language": language_name(transcript.language).lower(),
        "duration": transcript.duration_seconds,
        "text": transcript.text.strip(),
        "usage": duration_usage(transcript),
    }
    if "segment" in granularities:
        payload["segments"] = [segment_json(segment) for segment in transcript.segments]
    if "word" in granularities:
        payload["words"] = [word_json(word) for segment in transcript.segments for word in segment.words]
    return payload


def segment_json(segment: Segment) -> dict[str, Any]:
    """Return one segment. Unknown numbers are 0, because clients reject null."""
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature or 0.0,
        "avg_logprob": segment.avg_logprob or 0.0,
        "compression_ratio": segment.compression_ratio or 0.0,
        "no_speech_prob": segment.no_speech_prob or 0.0,
    }


def word_json(word: Word) -> dict[str, Any]:
    """Return one word."""
    return {"word": word.word.strip(), "start": word.start, "end": word.end}


def duration_usage(transcript: TranscriptionResult) -> dict[str, Any]:
    """Return the duration of the recording in seconds as usage."""
    return {"type": "duration", "seconds": transcript.duration_seconds}


async def transcript_events(events: AsyncGenerator[Event], warnings: Sequence[str] = ()) -> AsyncGenerator[Chunk]:
    """Yield an event per segment, then one with the whole text and with `warnings` before those of the model."""
    event: Event | None = None
    has_text = False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Segment):
                delta = event.text if has_text else event.text.lstrip()
                has_text = True
                yield encode_event({"type": "transcript.text.delta", "delta": delta}, "transcript.text.delta")
    finished, transcript = expect_result(event, TranscriptionResult)
    tokens = sum(len(segment.tokens) for segment in transcript.segments)
    done_payload = {
        "type": "transcript.text.done",
        "text": transcript.text.strip(),
        "usage": {"type": "tokens", "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens},
        "senses": senses_fields(finished, warnings),
    }
    yield encode_event(done_payload, "transcript.text.done")
    yield DONE_EVENT
