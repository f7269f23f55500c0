"""speak: turn a text into speech, and stop_speaking: end what is read aloud."""

from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

import anyio
from mcp.server import MCPServer
from mcp.server.apps import client_supports_apps
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import (
    AppContext,
    KeepAliveArgument,
    ModelArgument,
    ToolContext,
    WaitArgument,
    keep_alive_seconds_of,
    result_fields,
    result_link,
    save_result,
)
from mcp_server.calls.download_consent import ChosenModel, chosen_model
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.output_format import chosen_format
from mcp_server.calls.player import Playback
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import FreeFormResult, SpeakResult
from mcp_server.calls.results import build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.catalog.speakers import language_of
from model_runtime.catalog.voices import LANGUAGES_BY_ALIAS
from model_runtime.events import AudioChunk, Event, SpeechResult
from model_runtime.requests import Speak, Task

AudioFormat = Literal["wav", "mp3", "flac", "opus"]
SUFFIXES: dict[AudioFormat, tuple[str, ...]] = {
    "wav": (".wav",),
    "mp3": (".mp3",),
    "flac": (".flac",),
    "opus": (".opus", ".ogg"),
}
MAX_INLINE_AUDIO_BYTES = 400_000
"""Of sound in a result: about 8 s of WAV at 24 kHz, 16 bit."""
MAX_INLINE_MP3_SECONDS = 120
"""Longer speech is not encoded to see whether it fits."""
NO_PLAYER = "this machine has no program that plays sound (paplay, aplay, ffplay or pw-play); open the file instead."


class InlineSound(TypedDict, total=False):
    """Arguments of `build_result`; none: the answer has no sound."""

    sound: bytes
    sound_type: str


def add_speak(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tools."""

    async def find_files(ctx: ToolContext, output_path: str) -> ClientFiles:
        return await app.find_files(ctx, writes=[output_path])

    async def find_model(model: str, text: str, language: str) -> str:
        name = await app.service.resolve(model, Task.SPEECH)
        wanted, spoken = language_of(Speak(name, text, language=language)), LANGUAGES_BY_ALIAS.get(name, ())
        return name if not wanted or not spoken or wanted in spoken else ""  # the runtime looks for another that can

    @tool(server, title="Speak a text", meta=VIEWER_TOOL_META, destructive=True)
    async def speak(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        chosen: Annotated[ChosenModel, chosen_model(app, find_model)],
        text: Annotated[str, Field(description="What to say", min_length=1, max_length=20_000)],
        voice: Annotated[str, Field(description="A voice from media_status; empty: the model's own")] = "",
        speed: Annotated[float, Field(ge=0.5, le=2)] = 1.0,
        language: Annotated[str, Field(description="ISO 639-1 code; empty: by the text or voice")] = "",
        model: ModelArgument = "auto",
        format: Annotated[  # noqa: A002
            Literal["auto", "wav", "mp3", "flac", "opus"], Field(description="auto: by output_path, else wav")
        ] = "auto",
        play: Annotated[bool, Field(description="Also read it aloud while it is made, after earlier texts")] = False,
        output_path: Annotated[str, Field(description="Also save here")] = "",
        overwrite: bool = False,
        keep_alive: KeepAliveArgument = "",
        wait_seconds: WaitArgument = -1,
    ) -> Annotated[CallToolResult, SpeakResult]:
        """Text to speech (TTS): say a text with a local voice and save it as an audio file; play=true reads it aloud.
        The result has the absolute path and a senses:// address. status "running": call get_job."""
        audio_format = chosen_format(format, output_path, SUFFIXES, "wav")
        suffixes = SUFFIXES[audio_format]
        destination = (
            await files.resolve_destination(output_path, suffixes, overwrite=overwrite) if output_path else None
        )
        request = Speak(model, text, voice, speed, language)
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)

        async def run_request(job: ToolJob) -> CallToolResult:
            pcm = bytearray()
            with (app.player.begin() if play else None) or nullcontext() as playback:
                finished, speech = await app.run_request(
                    request,
                    job,
                    SpeechResult,
                    partial(_collect_audio, pcm, job, playback),
                    keep_alive_seconds=keep_alive_seconds,
                )
            problem = playback.problem if playback else NO_PLAYER if play else ""
            fields = result_fields(finished, [*files.notes, *([f"It is not read aloud: {problem}"] if problem else [])])
            about: dict[str, Any] = {
                "playing": play and not problem,
                "duration": round(speech.duration_seconds, 2),
                "sample_rate": speech.sample_rate,
                "voice": speech.voice,
                "language": speech.language,
            }
            try:
                artifact, data = await anyio.to_thread.run_sync(
                    store_speech, app, bytes(pcm), speech.sample_rate, audio_format
                )
                path = await save_result(files, artifact, suffixes[0], data, destination)
            except NothingSaved as error:
                wav = await anyio.to_thread.run_sync(encode_inline, bytes(pcm), speech.sample_rate, error)
                fields["warnings"].append(error.warning)
                return build_result(SpeakResult(**about, **fields), sound=wav)
            fields["warnings"] += app.artifacts.warnings_about(artifact.path, path)
            return build_result(
                SpeakResult(
                    **about,
                    **app.artifact_fields(artifact, path),
                    **fields,
                ),
                links=[result_link(artifact)],
                **await _inline_audio(ctx, artifact, bytes(pcm), speech.sample_rate),
            )

        return await app.run_job(ctx, "speak", wait_seconds, chosen.before(run_request), files)

    @tool(server, title="Stop reading aloud", idempotent=True)
    async def stop_speaking(ctx: ToolContext) -> CallToolResult:
        """Silence at once every text that speak reads aloud, or will after it. Recordings are kept."""
        return build_result(FreeFormResult.model_validate({"stopped": app.player.stop()}))


async def _inline_audio(ctx: ToolContext, artifact: StoredArtifact, pcm: bytes, sample_rate: int) -> InlineSound:
    """Return short speech for the answer of a client that shows the viewer, which plays it, or comes over HTTP.

    A client over HTTP may be unable to open the file: what is too long as WAV it gets as MP3.
    """
    over_http = ctx.request_context.lifespan_context.over_http
    if artifact.size_bytes <= MAX_INLINE_AUDIO_BYTES and (over_http or client_supports_apps(ctx)):
        return {"sound": await anyio.Path(artifact.path).read_bytes()}
    if not over_http or len(pcm) > MAX_INLINE_MP3_SECONDS * sample_rate * 2:  # 2 bytes per sample
        return {}
    from model_runtime.media.speech_encoder import encode_speech

    mp3 = await anyio.to_thread.run_sync(encode_speech, pcm, sample_rate, "mp3")
    return {"sound": mp3, "sound_type": "audio/mpeg"} if len(mp3) <= MAX_INLINE_AUDIO_BYTES else {}


def encode_inline(pcm: bytes, sample_rate: int, error: NothingSaved) -> bytes:
    """Return speech that could not be saved, as the WAV of an answer.

    Raises:
        NothingSaved: it is too long for an answer; `error` itself.
    """
    from model_runtime.media.speech_encoder import encode_speech

    wav = encode_speech(pcm, sample_rate, "wav")
    if len(wav) > MAX_INLINE_AUDIO_BYTES:
        raise error
    return wav


def store_speech(
    app: AppContext, pcm: bytes, sample_rate: int, audio_format: AudioFormat
) -> tuple[StoredArtifact, bytes]:
    """Store speech as WAV; return the artifact, and the speech in the requested format.

    `pcm` is 16-bit mono at `sample_rate` Hz. Blocks on the disk.

    Raises:
        NothingSaved: the file cannot be written anywhere.
    """
    from model_runtime.media.speech_encoder import encode_speech

    wav = encode_speech(pcm, sample_rate, "wav")
    artifact = app.artifacts.add(ArtifactKind.AUDIO, wav)
    return artifact, wav if audio_format == "wav" else encode_speech(pcm, sample_rate, audio_format)


def _collect_audio(pcm: bytearray, job: ToolJob, playback: Playback | None, event: Event) -> None:
    if isinstance(event, AudioChunk):
        pcm.extend(event.pcm)
        if playback is not None:
            playback.feed(event.pcm, event.sample_rate)
        job.progress.set_message(f"{len(pcm) / 2 / event.sample_rate:.0f} s spoken")  # 2 bytes per sample
