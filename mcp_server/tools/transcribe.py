"""transcribe: write down a recording."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, KeepAlive, ToolContext, keep_copy, link, read_sound, stay, told, tool
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import SegmentOut, Transcribed, answer
from mcp_server.files.access import Files
from mcp_server.files.artifacts import Kind
from mcp_server.files.client import Caller
from mcp_server.viewer.page import SHOWN_BY_VIEWER
from model_runtime.events import Finished, Segment, Transcript
from model_runtime.formats.subtitles import srt, vtt
from model_runtime.requests import Task, Transcribe
from model_runtime.validation.transcription import known_language

Format = Literal["text", "srt", "vtt", "json"]
SUFFIXES: dict[Format, str] = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json"}
SEGMENTS_SHOWN = 200


def add_transcribe(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tool."""

    @tool(server, title="Transcribe speech", meta=SHOWN_BY_VIEWER | {"anthropic/maxResultSizeChars": 200_000})
    async def transcribe(
        ctx: ToolContext,
        audio: Annotated[str, Field(description="Audio or video file: path, file://, senses:// or data: URI")],
        language: Annotated[str, Field(description="ISO 639-1 code such as en or ko; empty: find out")] = "",
        task: Annotated[
            Literal["transcribe", "translate"], Field(description="translate: into English")
        ] = "transcribe",
        model: Annotated[str, Field(description="auto, fast, best or a name from media_status")] = "auto",
        timestamps: Literal["none", "segment", "word"] = "none",
        format: Annotated[Format, Field(description="Of the saved file")] = "text",  # noqa: A002
        vocabulary: Annotated[str, Field(description="Names and terms to expect", max_length=2000)] = "",
        output_path: Annotated[str, Field(description="Also save here")] = "",
        overwrite: bool = False,
        keep_alive: KeepAlive = "",
        wait_seconds: Annotated[int, Field(ge=-1, le=3600, description="-1: as long as this client can")] = -1,
    ) -> Annotated[CallToolResult, Transcribed]:
        """Write down the speech in an audio or video file with a local model, in most languages. The whole transcript
        is saved and its path returned; a long text is cut in the answer (truncated). status "running": call get_job."""
        name = desk.service.resolve(model, Task.TRANSCRIPTION)
        files, client = desk.files(ctx), sdk_compat.client_name(ctx)
        seconds = stay(keep_alive)
        place = files.destination(output_path, (SUFFIXES[format],), overwrite=overwrite) if output_path else None
        spoken = known_language(language)
        words = timestamps == "word" or format == "json"

        async def listen(meter: Meter) -> CallToolResult:
            meter.say("reading the recording")
            sound = await read_sound(files, audio, "audio")
            request = Transcribe(name, sound, spoken, task == "translate", vocabulary, words=words)
            finished = await desk.run(request, meter, client, keep_alive_seconds=seconds)
            return await anyio.to_thread.run_sync(keep, desk, files, finished, format, place, timestamps)

        return await desk.work(ctx, "transcribe", wait_seconds, listen)


def keep(
    desk: Desk,
    files: Files,
    finished: Finished,
    wanted: Format,
    place: Path | None,
    timestamps: str,
) -> CallToolResult:
    """Save a transcript and build the answer; blocking."""
    heard = finished.result
    if not isinstance(heard, Transcript):
        raise TypeError(heard)
    artifact = desk.artifacts.add(Kind.TRANSCRIPTS, (heard.text.strip() + "\n").encode())
    data = render(heard, wanted).encode()
    path = artifact.path
    if wanted != "text" and place is None:
        path = desk.artifacts.add_sibling(artifact, SUFFIXES[wanted], data)
    facts = told(finished)
    segments = shown(heard.segments, timestamps)
    if segments is not None and len(segments) < len(heard.segments):
        whole = desk.artifacts.add_sibling(artifact, ".json", render(heard, "json").encode())
        facts["warnings"].append(f"The first {len(segments)} of {len(heard.segments)} segments; all are in {whole}.")
    return answer(
        Transcribed(
            text=heard.text.strip(),
            language=heard.language,
            duration=round(heard.duration, 2),
            realtime_factor=round(finished.timings.running / heard.duration, 3) if heard.duration else None,
            segments=segments,
            path=str(keep_copy(place, path, files, data)),
            uri=artifact.uri,
            url=desk.url(artifact),
            **facts,
        ),
        links=[link(artifact)],
    )


def shown(segments: Sequence[Segment], timestamps: str) -> list[SegmentOut] | None:
    """Return the first segments as the answer shows them, None where no times were asked for."""
    if timestamps == "none":
        return None
    return [
        SegmentOut(
            start=round(segment.start, 2),
            end=round(segment.end, 2),
            text=segment.text.strip(),
            words=[(round(word.start, 2), round(word.end, 2), word.word.strip()) for word in segment.words]
            if timestamps == "word"
            else None,
        )
        for segment in segments[:SEGMENTS_SHOWN]
    ]


def render(heard: Transcript, wanted: Format) -> str:
    """Write a whole transcript in one of the file formats."""
    match wanted:
        case "text":
            return heard.text.strip() + "\n"
        case "srt":
            return srt(heard.segments)
        case "vtt":
            return vtt(heard.segments)
        case "json":
            return json.dumps(_table(heard), ensure_ascii=False, indent=1)


def _table(heard: Transcript) -> dict[str, object]:
    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text.strip(),
            "words": [{"start": word.start, "end": word.end, "word": word.word.strip()} for word in segment.words],
        }
        for segment in heard.segments
    ]
    return {"text": heard.text.strip(), "language": heard.language, "duration": heard.duration, "segments": segments}
