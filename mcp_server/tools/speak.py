"""speak: say a text."""

from pathlib import Path
from typing import Annotated, Literal

import anyio
from mcp.server import MCPServer
from mcp.server.apps import client_supports_apps
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, KeepAlive, ToolContext, keep_copy, link, stay, told, tool
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Spoken, answer
from mcp_server.files.access import Files
from mcp_server.files.artifacts import Artifact, Kind
from mcp_server.files.client import Caller
from mcp_server.viewer.page import SHOWN_BY_VIEWER
from model_runtime.events import AudioChunk, Event, Speech
from model_runtime.requests import Speak, Task

Format = Literal["wav", "mp3", "flac"]
SHOWN_BYTES = 400_000
"""Of sound within a result: eight seconds."""


def add_speak(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tool."""

    @tool(server, title="Speak a text", meta=SHOWN_BY_VIEWER)
    async def speak(
        ctx: ToolContext,
        text: Annotated[str, Field(description="What to say", min_length=1, max_length=20_000)],
        voice: Annotated[str, Field(description="A voice from media_status; empty: the model's own")] = "",
        speed: Annotated[float, Field(ge=0.5, le=2)] = 1.0,
        language: Annotated[str, Field(description="ISO 639-1 code; empty: by the text or voice")] = "",
        model: Annotated[str, Field(description="auto, fast, best or a name from media_status")] = "auto",
        format: Format = "wav",  # noqa: A002
        play: Annotated[bool, Field(description="Also play it on this machine's speakers")] = False,
        output_path: Annotated[str, Field(description="Also save here")] = "",
        overwrite: bool = False,
        keep_alive: KeepAlive = "",
        wait_seconds: Annotated[int, Field(ge=-1, le=3600, description="-1: as long as this client can")] = -1,
    ) -> Annotated[CallToolResult, Spoken]:
        """Say a text with a local voice and save it as an audio file; play=true also plays it aloud. The result has the
        absolute path and a senses:// address. status "running": call get_job."""
        name = desk.service.resolve(model, Task.SPEECH)
        files = desk.files(ctx)
        place = files.destination(output_path, (f".{format}",), overwrite=overwrite) if output_path else None
        request = Speak(name, text, voice, speed, language)
        client, seconds = sdk_compat.client_name(ctx), stay(keep_alive)

        async def say(meter: Meter) -> CallToolResult:
            pcm = bytearray()
            finished = await desk.run(
                request, meter, client, lambda event: _collect(event, pcm, meter), keep_alive_seconds=seconds
            )
            spoken = finished.result
            if not isinstance(spoken, Speech):
                raise TypeError(spoken)
            artifact, path = await anyio.to_thread.run_sync(
                keep, desk, files, bytes(pcm), spoken.sample_rate, format, place
            )
            facts = told(finished)
            playing = play and desk.player.play(artifact.path)
            if play and not playing:
                facts["warnings"].append("No program to play sound was found on this machine; open the file instead.")
            return answer(
                Spoken(
                    path=str(path),
                    uri=artifact.uri,
                    url=desk.url(artifact),
                    duration=round(spoken.duration, 2),
                    sample_rate=spoken.sample_rate,
                    voice=spoken.voice,
                    language=spoken.language,
                    playing=playing,
                    **facts,
                ),
                links=[link(artifact)],
                wav=await _for_viewer(ctx, artifact),
            )

        return await desk.work(ctx, "speak", wait_seconds, say)


async def _for_viewer(ctx: ToolContext, artifact: Artifact) -> bytes:
    """Return the sound where the client shows the viewer and it is short; others would only store it."""
    if not client_supports_apps(ctx) or artifact.size_bytes > SHOWN_BYTES:
        return b""
    return await anyio.Path(artifact.path).read_bytes()


def keep(
    desk: Desk,
    files: Files,
    pcm: bytes,
    sample_rate: int,
    wanted: Format,
    place: Path | None,
) -> tuple[Artifact, Path]:
    """Save speech as WAV and in the wanted format; return the artifact and the path to tell. Blocking."""
    from model_runtime.media.speech import encode_speech

    wav = encode_speech(pcm, sample_rate, "wav")
    artifact = desk.artifacts.add(Kind.AUDIO, wav)
    data = wav if wanted == "wav" else encode_speech(pcm, sample_rate, wanted)
    path = artifact.path
    if wanted != "wav" and place is None:
        path = desk.artifacts.add_sibling(artifact, f".{wanted}", data)
    return artifact, keep_copy(place, path, files, data)


def _collect(event: Event, pcm: bytearray, meter: Meter) -> None:
    if isinstance(event, AudioChunk):
        pcm.extend(event.pcm)
        meter.say(f"{len(pcm) / 2 / event.sample_rate:.0f} s spoken")
