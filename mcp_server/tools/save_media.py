"""save_media: put an earlier result into the user's project."""

import io
import wave
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import Desk, ToolContext, keep_copy, tool
from mcp_server.calls.results import Saved, answer
from mcp_server.files.access import Files
from mcp_server.files.artifacts import Artifact, Kind
from mcp_server.files.client import Caller
from mcp_server.tools.generate_image import SUFFIXES as PICTURES
from model_runtime.errors import InvalidInput
from model_runtime.media.types import FileFormat

ENDINGS = {
    Kind.IMAGES: tuple(suffix for suffixes in PICTURES.values() for suffix in suffixes),
    Kind.AUDIO: (".wav", ".mp3", ".flac", ".opus"),
    Kind.TRANSCRIPTS: (".txt", ".srt", ".vtt", ".json"),
}


def add_save_media(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tool."""

    @tool(server, title="Save a result into the project", idempotent=True)
    async def save_media(
        ctx: ToolContext,
        uri: Annotated[str, Field(description="The senses:// uri of an earlier result")],
        path: Annotated[str, Field(description="Where to; its ending chooses the format (.png .webp .mp3 .srt …)")],
        max_kb: Annotated[int, Field(ge=0, le=1_000_000, description="For images: shrink to fit; 0: any size")] = 0,
        overwrite: bool = False,
    ) -> Annotated[CallToolResult, Saved]:
        """Put a generated image, spoken audio or transcript into the user's project under a name of its own, converted
        to the format its ending names; images can be made to fit a size for the web."""
        files = desk.files(ctx)
        found = files.result(uri)
        place = files.destination(path, ENDINGS[found.kind], overwrite=overwrite, param="path")
        return await anyio.to_thread.run_sync(save, files, found, place, max_kb * 1000)


def save(files: Files, found: Artifact, place: Path, max_bytes: int) -> CallToolResult:
    """Convert a result and write it; blocking."""
    facts: dict[str, Any] = {}
    if found.kind is Kind.IMAGES:
        from model_runtime.media.resize import fit_picture

        fitted = fit_picture(found.path.read_bytes(), _picture_format(place), max_bytes)
        data, facts = fitted.data, {"width": fitted.width, "height": fitted.height, "quality": fitted.quality}
    else:
        data = _sound(found, place) if found.kind is Kind.AUDIO else _transcript(found, place)
        if max_bytes and len(data) > max_bytes:
            raise InvalidInput(
                f"{place.name} would have {len(data) / 1000:.0f} kB, more than the {max_bytes / 1000:.0f} asked for. "
                "Only images are shrunk to fit: choose .mp3 or .opus for sound, or allow more.",
                param="max_kb",
            )
    path = keep_copy(place, found.path, files, data)
    return answer(Saved(path=str(path), uri=found.uri, size_bytes=len(data), **facts))


def _picture_format(place: Path) -> FileFormat:
    return next(name for name, suffixes in PICTURES.items() if place.suffix.lower() in suffixes)


def _sound(found: Artifact, place: Path) -> bytes:
    original = found.path.read_bytes()
    wanted = place.suffix.lower().removeprefix(".")
    if wanted == "wav":
        return original
    from model_runtime.media.speech import encode_speech

    with wave.open(io.BytesIO(original)) as file:
        return encode_speech(file.readframes(file.getnframes()), file.getframerate(), wanted)


def _transcript(found: Artifact, place: Path) -> bytes:
    """Return the transcript as it was written down in that format."""
    kept = found.path.with_suffix(place.suffix.lower())
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        there = ", ".join(sorted(path.suffix for path in found.path.parent.glob(f"{found.id}.*")))
        raise InvalidInput(
            f"{found.uri} was not written as {place.suffix}; there is {there}. Transcribe again with "
            f'format="{place.suffix.removeprefix(".")}".',
            param="path",
        ) from None
