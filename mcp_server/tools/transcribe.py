"""transcribe: turn the speech of a recording into text."""

from math import inf
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import (
    AppContext,
    FromSeconds,
    KeepAliveArgument,
    ModelArgument,
    ToolContext,
    ToSeconds,
    WaitArgument,
    keep_alive_seconds_of,
    result_fields,
    result_link,
    save_result,
)
from mcp_server.calls.download_consent import ChosenModel, chosen_model, model_of_task
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.media_inputs import read_audio
from mcp_server.calls.output_format import chosen_format
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import TranscribeResult
from mcp_server.calls.results import LONG_TEXT_META, build_result, max_text_bytes_of
from mcp_server.calls.transcript_formats import SUFFIXES, TranscriptFormat, render, shifted
from mcp_server.calls.transcript_pages import inline_part, segment_results
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.catalog.languages import parse_language
from model_runtime.errors import InvalidInput
from model_runtime.events import Finished, TranscriptionResult
from model_runtime.media.types import TimeRange
from model_runtime.requests import Task, Transcribe

ENDINGS: dict[TranscriptFormat, tuple[str, ...]] = {name: (suffix,) for name, suffix in SUFFIXES.items()}


def add_transcribe(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, audio: str, output_path: str) -> ClientFiles:
        return await app.find_files(ctx, [audio], [output_path])

    @tool(
        server,
        title="Transcribe speech",
        destructive=True,
        meta=VIEWER_TOOL_META | LONG_TEXT_META,
    )
    async def transcribe(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        chosen: Annotated[ChosenModel, chosen_model(app, model_of_task(app, Task.TRANSCRIPTION))],
        audio: Annotated[str, Field(description="Audio or video file: path, file://, senses:// or data: URI")],
        language: Annotated[str, Field(description="ISO 639-1 code such as en or ko; empty: find out")] = "",
        task: Annotated[
            Literal["transcribe", "translate"], Field(description="translate: into English")
        ] = "transcribe",
        model: ModelArgument = "auto",
        from_seconds: FromSeconds = 0.0,
        to_seconds: ToSeconds = 0.0,
        timestamps: Literal["none", "segment", "word"] = "none",
        format: Annotated[  # noqa: A002
            Literal["auto", "text", "srt", "vtt", "json"],
            Field(description="Of the saved file; auto: by output_path, else text"),
        ] = "auto",
        vocabulary: Annotated[str, Field(description="Names and terms to expect", max_length=2000)] = "",
        output_path: Annotated[str, Field(description="Also save here")] = "",
        overwrite: bool = False,
        keep_alive: KeepAliveArgument = "",
        wait_seconds: WaitArgument = -1,
    ) -> Annotated[CallToolResult, TranscribeResult]:
        """Speech to text: transcription of a meeting, voice memo or any audio or video file by a local model, in most
        languages. The whole transcript is saved; where the answer has only its beginning, read_transcript has the rest.
        status "running": call get_job."""
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)
        transcript_format = chosen_format(format, output_path, ENDINGS, "text")
        suffix = SUFFIXES[transcript_format]
        destination = (
            await files.resolve_destination(output_path, (suffix,), overwrite=overwrite) if output_path else None
        )
        spoken_language = parse_language(language)
        part = time_range(from_seconds, to_seconds)
        word_timestamps = timestamps == "word" or transcript_format == "json"

        async def run_request(job: ToolJob) -> CallToolResult:
            job.progress.set_message("reading the recording")
            sound = await read_audio(app.service.media, files, audio, "audio", part)
            request = Transcribe(
                chosen.name, sound, spoken_language, task == "translate", vocabulary, word_timestamps=word_timestamps
            )
            finished, transcript = await app.run_request(
                request, job, TranscriptionResult, keep_alive_seconds=keep_alive_seconds
            )
            transcript = shifted(transcript, from_seconds)
            fields = result_fields(finished, files.notes)
            artifact = None
            try:
                artifact, data = await anyio.to_thread.run_sync(store_transcript, app, transcript, transcript_format)
                path = await save_result(files, artifact, suffix, data, destination)
                fields |= app.artifact_fields(artifact, path)
                fields["warnings"] += app.artifacts.warnings_about(artifact.path, path)
            except NothingSaved as error:
                fields["warnings"].append(error.warning)
            return transcript_result(finished, transcript, fields, artifact, timestamps, job.client)

        return await app.run_job(ctx, "transcribe", wait_seconds, chosen.before(run_request), files)


def time_range(from_seconds: float, to_seconds: float) -> TimeRange:
    """Return the part of a recording that a call asks for; a `to_seconds` of 0 is its end.

    Raises:
        InvalidInput: the part is empty.
    """
    if 0 < to_seconds <= from_seconds:
        raise InvalidInput(
            f"to_seconds is {to_seconds:g}, not after from_seconds, {from_seconds:g}. Both count from the start.",
        )
    return TimeRange(from_seconds, to_seconds or inf)


def store_transcript(
    app: AppContext, transcript: TranscriptionResult, transcript_format: TranscriptFormat
) -> tuple[StoredArtifact, bytes]:
    """Store a transcript as text and, with all its times, as JSON. Blocks on the disk.

    Return the artifact, and the transcript in the requested format.

    Raises:
        NothingSaved: the file cannot be written anywhere.
    """
    artifact = app.artifacts.add(ArtifactKind.TRANSCRIPTS, render(transcript, "text").encode())
    app.artifacts.add_sibling(artifact, ".json", render(transcript, "json").encode())
    return artifact, render(transcript, transcript_format).encode()


def transcript_result(
    finished: Finished,
    transcript: TranscriptionResult,
    fields: dict[str, Any],
    artifact: StoredArtifact | None,
    timestamps: str,
    client: str,
) -> CallToolResult:
    """Build the result with as much of the transcript as the client takes; without an artifact only it holds the text."""
    seconds, total = transcript.duration_seconds, len(transcript.segments)
    max_bytes = max_text_bytes_of(client)
    inline = inline_part(transcript, timestamps, max_bytes)
    if inline.next_from_seconds is not None:
        fields["warnings"].insert(0, rest_text(inline.segment_count, total, inline.next_from_seconds, artifact))
    return build_result(
        TranscribeResult(
            text=inline.text,
            truncated=inline.next_from_seconds is not None,
            segment_count=total,
            next_from_seconds=inline.next_from_seconds,
            language=transcript.language,
            duration=round(seconds, 2),
            realtime_factor=round(finished.timings.running_seconds / seconds, 3) if seconds else None,
            segments=segment_results(transcript.segments[: inline.segment_count], timestamps),
            **fields,
        ),
        links=[result_link(artifact)] if artifact else [],
        max_text_bytes=max_bytes,
    )


def rest_text(shown: int, total: int, next_from_seconds: float, artifact: StoredArtifact | None) -> str:
    """Return a sentence on what an answer leaves out and how to read it."""
    text = f"This answer has the first {shown} of {total} segments."
    if artifact is None:
        return f"{text} Call transcribe with from_seconds={next_from_seconds} for the rest."
    return (
        f'{text} read_transcript(uri="{artifact.uri}", from_seconds={next_from_seconds}) goes on, with find="…" it '
        "searches; save_media writes all with their times (.srt, .json)."
    )
