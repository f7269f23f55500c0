"""transcribe: turn the speech of a recording into text."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.consent import Wishes, consented_files
from mcp_server.calls.context import (
    AppContext,
    KeepAliveArgument,
    ModelArgument,
    ToolContext,
    WaitArgument,
    keep_alive_seconds_of,
    read_audio,
    result_fields,
    result_link,
    save_result,
    tool,
)
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.results import SegmentResult, TranscribeResult, build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.catalog.languages import parse_language
from model_runtime.events import Finished, Segment, TranscriptionResult
from model_runtime.formats.subtitles import to_srt, to_vtt
from model_runtime.requests import Task, Transcribe

TranscriptFormat = Literal["text", "srt", "vtt", "json"]
SUFFIXES: dict[TranscriptFormat, str] = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json"}
MAX_SEGMENTS = 200
"""The segments in a result; the saved file has all of them."""


def add_transcribe(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def wishes(ctx: ToolContext, audio: str, output_path: str) -> Wishes:
        return await app.files(ctx).wishes([audio], [output_path])

    @tool(server, title="Transcribe speech", meta=VIEWER_TOOL_META | {"anthropic/maxResultSizeChars": 200_000})
    async def transcribe(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, wishes)],
        audio: Annotated[str, Field(description="Audio or video file: path, file://, senses:// or data: URI")],
        language: Annotated[str, Field(description="ISO 639-1 code such as en or ko; empty: find out")] = "",
        task: Annotated[
            Literal["transcribe", "translate"], Field(description="translate: into English")
        ] = "transcribe",
        model: ModelArgument = "auto",
        timestamps: Literal["none", "segment", "word"] = "none",
        format: Annotated[TranscriptFormat, Field(description="Of the saved file")] = "text",  # noqa: A002
        vocabulary: Annotated[str, Field(description="Names and terms to expect", max_length=2000)] = "",
        output_path: Annotated[str, Field(description="Also save here")] = "",
        overwrite: bool = False,
        keep_alive: KeepAliveArgument = "",
        wait_seconds: WaitArgument = -1,
    ) -> Annotated[CallToolResult, TranscribeResult]:
        """Write down the speech in an audio or video file with a local model, in most languages. The whole transcript
        is saved and its path returned; a long text is cut in the answer (truncated). status "running": call get_job."""
        model_name = await app.service.resolve(model, Task.TRANSCRIPTION)  # decoding a long recording takes a minute
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)
        destination = (
            await files.resolve_destination(output_path, (SUFFIXES[format],), overwrite=overwrite)
            if output_path
            else None
        )
        spoken_language = parse_language(language)
        word_timestamps = timestamps == "word" or format == "json"

        async def run_request(job: ToolJob) -> CallToolResult:
            job.progress.set_message("reading the recording")
            sound = await read_audio(app.service.media, files, audio, "audio")
            request = Transcribe(
                model_name, sound, spoken_language, task == "translate", vocabulary, word_timestamps=word_timestamps
            )
            finished, transcript = await app.run_request(
                request, job, TranscriptionResult, keep_alive_seconds=keep_alive_seconds
            )
            fields = result_fields(finished, files.notes)
            artifact = None
            try:
                artifact, data = await anyio.to_thread.run_sync(store_transcript, app, transcript, format)
                path = await save_result(files, artifact, SUFFIXES[format], data, destination)
                fields |= app.artifact_fields(artifact, path)
                fields["warnings"] += app.artifacts.warnings_about(artifact.path, path)
                segments, note = await anyio.to_thread.run_sync(limit_segments, app, transcript, artifact, timestamps)
            except NothingSaved as error:
                segments, note = segment_results(transcript.segments, timestamps), error.warning
            fields["warnings"] += [note] if note else []
            return transcript_result(finished, transcript, segments, fields, artifact)

        return await app.run_job(ctx, "transcribe", wait_seconds, run_request, files)


def store_transcript(
    app: AppContext, transcript: TranscriptionResult, transcript_format: TranscriptFormat
) -> tuple[StoredArtifact, bytes]:
    """Store a transcript as text; return the artifact, and the transcript in the requested format. Blocks on the disk.

    Raises:
        NothingSaved: the file cannot be written anywhere.
    """
    artifact = app.artifacts.add(ArtifactKind.TRANSCRIPTS, render(transcript, "text").encode())
    return artifact, render(transcript, transcript_format).encode()


def limit_segments(
    app: AppContext, transcript: TranscriptionResult, artifact: StoredArtifact, timestamps: str
) -> tuple[list[SegmentResult] | None, str]:
    """Return the segments for the result, and a note on the file that has those it has no room for. Blocks on the disk.

    Raises:
        NothingSaved: that file cannot be written anywhere.
    """
    segments = segment_results(transcript.segments, timestamps)
    if segments is None or len(segments) == len(transcript.segments):
        return segments, ""
    path = app.artifacts.add_sibling(artifact, ".json", render(transcript, "json").encode())
    return (
        segments,
        f"This result has the first {len(segments)} of {len(transcript.segments)} segments; {path} has all.",
    )


def transcript_result(
    finished: Finished,
    transcript: TranscriptionResult,
    segments: list[SegmentResult] | None,
    fields: dict[str, Any],
    artifact: StoredArtifact | None,
) -> CallToolResult:
    """Build the result; without an artifact only the result holds the text."""
    seconds = transcript.duration_seconds
    return build_result(
        TranscribeResult(
            text=transcript.text.strip(),
            language=transcript.language,
            duration=round(seconds, 2),
            realtime_factor=round(finished.timings.running_seconds / seconds, 3) if seconds else None,
            segments=segments,
            **fields,
        ),
        links=[result_link(artifact)] if artifact else [],
    )


def segment_results(segments: Sequence[Segment], timestamps: str) -> list[SegmentResult] | None:
    """Return the first segments for the result, or None if no timestamps are requested."""
    if timestamps == "none":
        return None
    return [
        SegmentResult(
            start=round(segment.start, 2),
            end=round(segment.end, 2),
            text=segment.text.strip(),
            words=[(round(word.start, 2), round(word.end, 2), word.word.strip()) for word in segment.words]
            if timestamps == "word"
            else None,
        )
        for segment in segments[:MAX_SEGMENTS]
    ]


def render(transcript: TranscriptionResult, transcript_format: TranscriptFormat) -> str:
    """Return a whole transcript in a file format: plain text, SubRip, WebVTT or JSON."""
    match transcript_format:
        case "text":
            return transcript.text.strip() + "\n"
        case "srt":
            return to_srt(transcript.segments)
        case "vtt":
            return to_vtt(transcript.segments)
        case "json":
            return json.dumps(_json_fields(transcript), ensure_ascii=False, indent=1)


def _json_fields(transcript: TranscriptionResult) -> dict[str, object]:
    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text.strip(),
            "words": [{"start": word.start, "end": word.end, "word": word.word.strip()} for word in segment.words],
        }
        for segment in transcript.segments
    ]
    return {
        "text": transcript.text.strip(),
        "language": transcript.language,
        "duration": transcript.duration_seconds,
        "segments": segments,
    }
