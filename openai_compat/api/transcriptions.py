"""POST /v1/audio/transcriptions and /v1/audio/translations: a recording in, text out, whole or by segment."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from anyio import to_thread
from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from model_runtime.catalog.languages import language_name, parse_language
from model_runtime.errors import InvalidInput
from model_runtime.events import Event, Finished, Segment, TranscriptionResult, Word, expect_result
from model_runtime.formats import subtitles
from model_runtime.requests import Task, Transcribe
from model_runtime.service import Service
from openai_compat.api.audio_inputs import decode_inline_audio
from openai_compat.api.bodies import open_bare_file, open_form, read_json, validate_fields
from openai_compat.api.generation import collect_result, model_headers, run_events, senses_fields
from openai_compat.api.schemas import TranscriptionBody
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import is_recording, release_upload

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
        async with open_upload(request) as upload:
            body = upload.body
            model = "best" if translate and body.model.lower() in UNSPECIFIC_MODELS else body.model
            name, language = await self.service.resolve(model, Task.TRANSCRIPTION), parse_language(body.language)
            async with cancel_on_disconnect(request.receive):
                audio = await self.service.media.decode_audio(upload.source, param=upload.param)
            transcribe_request = Transcribe(
                name,
                audio,
                language=language,
                translate=translate,
                prompt=body.prompt,
                # OpenAI's 0 means Whisper's temperature fallback, not a temperature
                temperature=body.temperature or None,
                word_timestamps="word" in body.timestamp_granularities and body.response_format == "verbose_json",
            )
        events = run_events(self.service, transcribe_request, request, body)
        if body.stream:
            return DeferredStreamingResponse(transcript_events(events, body.ignored_warnings()))
        async with cancel_on_disconnect(request.receive):
            return render_transcript(
                *await collect_result(events, TranscriptionResult),
                body,
                task="translate" if translate else "transcribe",
            )


@dataclass(frozen=True, slots=True)
class AudioUpload:
    """The fields of a request and its encoded recording. `param` is the field that held the recording."""

    body: TranscriptionBody
    source: bytes | BinaryIO
    param: str


@asynccontextmanager
async def open_upload(request: Request) -> AsyncGenerator[AudioUpload]:
    """Read a form with a file, JSON with base64, or a bare file with the fields in its query; the file is deleted.

    Raises:
        BodyTooLarge: the form is too large.
        InvalidInput: the recording is missing, or a field is invalid.
        InsufficientStorage: the file cannot be spooled to disk.
    """
    if request.headers.get("content-type", "").startswith("application/json"):
        json_fields = await read_json(request)
        body = validate_fields(json_fields, TranscriptionBody)
        yield AudioUpload(body, await to_thread.run_sync(inline_audio, json_fields), "input_audio")
        release_upload(request.scope)
        return
    if is_recording(request.scope):
        async with open_bare_file(request) as bare_file:
            body = validate_fields(form_values(request.query_params), TranscriptionBody)
            yield AudioUpload(body, bare_file, "file")
        return
    async with open_form(request) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput(
                "The recording is missing. Send it as the form field `file`.",
                param="file",
                code="missing_required_parameter",
            )
        yield AudioUpload(validate_fields(form_values(form), TranscriptionBody), file.file, "file")


def form_values(form: FormData | QueryParams) -> dict[str, Any]:
    """Return the text fields of a form or a query; timestamp granularities may be repeated.

    `name[]` is the same as `name`, and so is `name[key]`, as OpenAI's clients write the parts of an object.
    """
    form_fields: dict[str, Any] = {}
    for key, value in form.multi_items():
        name = key.partition("[")[0]
        if name == "timestamp_granularities":
            form_fields[name] = [*form_fields.get(name, []), value]
        elif isinstance(value, str) and value:
            form_fields[name] = value
    return form_fields


def inline_audio(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of `input_audio`, OpenAI's `{"data": base64, "format": …}`.

    Raises:
        InvalidInput: the field is missing or not base64.
    """
    audio = values.get("input_audio")
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(data, str):
        raise InvalidInput(
            'A JSON body needs the recording as `"input_audio": {"data": "<base64>", "format": "wav"}`.',
            param="input_audio",
            code="missing_required_parameter",
        )
    return decode_inline_audio(data, "input_audio.data")


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
