"""POST /v1/audio/transcriptions and /v1/audio/translations: a recording in, text out, as a whole or line by line."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from anyio import to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from model_runtime.catalog.languages import language_name
from model_runtime.errors import InvalidInput
from model_runtime.events import Event, Finished, Segment, Transcript, Word
from model_runtime.formats import subtitles
from model_runtime.formats.data_url import decode_base64
from model_runtime.media.audio import decode_sound
from model_runtime.media.types import Sound
from model_runtime.requests import Task, Transcribe
from model_runtime.service import Service
from model_runtime.validation.transcription import known_language
from openai_compat.api.bodies import open_form, parse, read_json
from openai_compat.api.generation import client_name, extras, finish, model_headers, outcome
from openai_compat.api.schemas import TranscriptionBody
from openai_compat.http.disconnect import while_connected
from openai_compat.http.sse import DONE, Piece, PieceResponse, event

TRANSLATORS = frozenset({"", "auto", "whisper-1"})
"""Names that leave the choice to us; fast models translate badly, so a translation goes to the best."""


@dataclass(frozen=True, slots=True)
class TranscriptionEndpoint:
    """Both endpoints; a translation answers in English, whatever is spoken."""

    service: Service

    def routes(self) -> list[Route]:
        """Where they are served."""
        return [
            Route("/v1/audio/transcriptions", self.transcribe, methods=["POST"]),
            Route("/v1/audio/translations", self.translate, methods=["POST"]),
        ]

    async def transcribe(self, request: Request) -> Response:
        """Write down what is said."""
        return await self._answer(request, translate=False)

    async def translate(self, request: Request) -> Response:
        """Write down in English what is said."""
        return await self._answer(request, translate=True)

    async def _answer(self, request: Request, *, translate: bool) -> Response:
        async with reading(request) as upload:
            body = upload.body
            model = "best" if translate and body.model.lower() in TRANSLATORS else body.model
            name, language = self.service.resolve(model, Task.TRANSCRIPTION), known_language(body.language)
            work = Transcribe(
                name,
                await to_thread.run_sync(upload.decode),
                language=language,
                translate=translate,
                prompt=body.prompt,
                # OpenAI's 0 is not a temperature but the ladder of retries
                temperature=body.temperature or None,
                words="word" in body.timestamp_granularities and body.response_format == "verbose_json",
            )
        events = self.service.run(work, client=client_name(request.headers), keep_alive_seconds=body.keep_alive)
        if body.stream:
            return PieceResponse(pieces(events))
        async with while_connected(request.receive):
            return render(*await finish(events, Transcript), body, task="translate" if translate else "transcribe")


@dataclass(frozen=True, slots=True)
class Upload:
    """The fields of a request and its recording, not yet decoded; `param` is where the recording came from."""

    body: TranscriptionBody
    source: bytes | BinaryIO
    param: str

    def decode(self) -> Sound:
        """Decode the recording. Raises `BadMedia`."""
        return decode_sound(self.source, param=self.param)


@asynccontextmanager
async def reading(request: Request) -> AsyncGenerator[Upload]:
    """Read a form with a file, or JSON with base64; the file is gone afterwards. Raises `InvalidInput`."""
    if request.headers.get("content-type", "").startswith("application/json"):
        values = await read_json(request)
        body = parse(values, TranscriptionBody)
        yield Upload(body, await to_thread.run_sync(inline_sound, values), "input_audio")
        return
    async with open_form(request) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InvalidInput(
                "The recording is missing. Send it as the form field `file`.",
                param="file",
                code="missing_required_parameter",
            )
        yield Upload(parse(fields(form), TranscriptionBody), upload.file, "file")


def fields(form: FormData) -> dict[str, Any]:
    """Gather a form's texts; a name counts the same with `[]` and without, and granularities may come repeatedly."""
    values: dict[str, Any] = {}
    for key, value in form.multi_items():
        name = key.removesuffix("[]")
        if name == "timestamp_granularities":
            values[name] = [*values.get(name, []), value]
        elif isinstance(value, str) and value:
            values[name] = value
    return values


def inline_sound(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of `input_audio`, OpenAI's `{"data": base64, "format": …}`."""
    audio = values.get("input_audio")
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(data, str):
        raise InvalidInput(
            'A JSON body needs the recording as `"input_audio": {"data": "<base64>", "format": "wav"}`.',
            param="input_audio",
            code="missing_required_parameter",
        )
    return decode_base64(data.partition("base64,")[2] or data, param="input_audio.data")


def render(finished: Finished, transcript: Transcript, body: TranscriptionBody, *, task: str) -> Response:
    """Write a transcript in the format that was asked for."""
    headers = model_headers(finished.model, starter=finished.starter, warnings=transcript.warnings)
    match body.response_format:
        case "text":
            return PlainTextResponse(transcript.text.strip() + "\n", headers=headers)
        case "srt":
            return PlainTextResponse(subtitles.srt(transcript.segments), headers=headers)
        case "vtt":
            return PlainTextResponse(subtitles.vtt(transcript.segments), headers=headers)
        case "verbose_json":
            return JSONResponse(verbose(transcript, body, task=task) | {"senses": extras(finished)})
        case "json":
            usage = duration_usage(transcript)
            return JSONResponse({"text": transcript.text.strip(), "usage": usage, "senses": extras(finished)})


def verbose(transcript: Transcript, body: TranscriptionBody, *, task: str) -> dict[str, Any]:
    """Write verbose_json: segments unless only words were asked for, words only where they were."""
    wanted = body.timestamp_granularities or {"segment"}
    written: dict[str, Any] = {
        "task": task,
        # the name, in lower case: clients look it up in a table
        "language": language_name(transcript.language).lower(),
        "duration": transcript.duration,
        "text": transcript.text.strip(),
        "usage": duration_usage(transcript),
    }
    if "segment" in wanted:
        written["segments"] = [segment_json(segment) for segment in transcript.segments]
    if "word" in wanted:
        written["words"] = [word_json(word) for segment in transcript.segments for word in segment.words]
    return written


def segment_json(segment: Segment) -> dict[str, Any]:
    """Write one segment; clients insist on every number, so one that is unknown is 0."""
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
    """Write one word."""
    return {"word": word.word.strip(), "start": word.start, "end": word.end}


def duration_usage(transcript: Transcript) -> dict[str, Any]:
    """Write how much was heard."""
    return {"type": "duration", "seconds": transcript.duration}


async def pieces(events: AsyncGenerator[Event]) -> AsyncGenerator[Piece]:
    """Write a transcript as it comes: a delta for every segment, then the whole."""
    finished: Finished | None = None
    heard = False
    async with aclosing(events):
        async for happened in events:
            if isinstance(happened, Segment):
                delta = happened.text if heard else happened.text.lstrip()
                heard = True
                yield event({"type": "transcript.text.delta", "delta": delta}, "transcript.text.delta")
            elif isinstance(happened, Finished):
                finished = happened
    end, transcript = outcome(finished, Transcript)
    tokens = sum(len(segment.tokens) for segment in transcript.segments)
    done = {
        "type": "transcript.text.done",
        "text": transcript.text.strip(),
        "usage": {"type": "tokens", "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens},
        "senses": extras(end),
    }
    yield event(done, "transcript.text.done")
    yield DONE
