"""save_media: save an earlier result in the user's project."""

import io
import wave
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.consent import Wishes, consented_files
from mcp_server.calls.context import AppContext, ToolContext, save_copy, tool
from mcp_server.calls.results import SaveResult, build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.tools.generate_image import SUFFIXES as IMAGE_SUFFIXES
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageFormat

ALLOWED_SUFFIXES = {
    ArtifactKind.IMAGES: tuple(suffix for suffixes in IMAGE_SUFFIXES.values() for suffix in suffixes),
    ArtifactKind.AUDIO: (".wav", ".mp3", ".flac", ".opus"),
    ArtifactKind.TRANSCRIPTS: (".txt", ".srt", ".vtt", ".json"),
}


def add_save_media(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def wishes(ctx: ToolContext, path: str) -> Wishes:
        return await app.files(ctx).wishes(writes=[path])

    @tool(server, title="Save a result into the project", idempotent=True)
    async def save_media(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, wishes)],
        uri: Annotated[str, Field(description="The senses:// uri of an earlier result")],
        path: Annotated[str, Field(description="Where to; its ending chooses the format (.png .webp .mp3 .srt …)")],
        max_kb: Annotated[int, Field(ge=0, le=1_000_000, description="For images: shrink to fit; 0: any size")] = 0,
        overwrite: bool = False,
    ) -> Annotated[CallToolResult, SaveResult]:
        """Put a generated image, spoken audio or transcript into the user's project under a name of its own, converted
        to the format its ending names; images can be made to fit a size for the web."""
        artifact = await files.artifact_at(uri)
        destination = await files.resolve_destination(
            path, ALLOWED_SUFFIXES[artifact.kind], overwrite=overwrite, param="path"
        )
        data, fields = await anyio.to_thread.run_sync(convert_artifact, artifact, destination, max_kb * 1000)
        saved = await save_copy(destination, artifact.path, files, data)
        return build_result(
            SaveResult(path=str(saved), uri=artifact.uri, size_bytes=len(data), warnings=files.notes, **fields)
        )


def convert_artifact(artifact: StoredArtifact, destination: Path, max_bytes: int) -> tuple[bytes, dict[str, Any]]:
    """Convert a result to the format of `destination`; return the bytes and the fields that describe them.

    `max_bytes` limits their number; 0 sets no limit. Blocks on the disk.

    Raises:
        InvalidInput: the result is not an image and is larger than `max_bytes`, or has no such format.
    """
    fields: dict[str, Any] = {}
    if artifact.kind is ArtifactKind.IMAGES:
        from model_runtime.media.image_size_limit import encode_within_bytes

        resized = encode_within_bytes(artifact.path.read_bytes(), _image_format(destination), max_bytes)
        data, fields = resized.data, {"width": resized.width, "height": resized.height, "quality": resized.quality}
    else:
        read = _audio_bytes if artifact.kind is ArtifactKind.AUDIO else _transcript_bytes
        data = read(artifact, destination)
        if max_bytes and len(data) > max_bytes:
            raise InvalidInput(
                f"{destination.name} would have {len(data) / 1000:.0f} kB, more than max_kb={max_bytes / 1000:.0f}. "
                "Only images are shrunk to fit: choose .mp3 or .opus for audio, or raise max_kb.",
                param="max_kb",
            )
    return data, fields


def _image_format(destination: Path) -> ImageFormat:
    return next(name for name, suffixes in IMAGE_SUFFIXES.items() if destination.suffix.lower() in suffixes)


def _audio_bytes(artifact: StoredArtifact, destination: Path) -> bytes:
    original = artifact.path.read_bytes()
    audio_format = destination.suffix.lower().removeprefix(".")
    if audio_format == "wav":
        return original
    from model_runtime.media.speech_encoder import encode_speech

    with wave.open(io.BytesIO(original)) as file:
        return encode_speech(file.readframes(file.getnframes()), file.getframerate(), audio_format)


def _transcript_bytes(artifact: StoredArtifact, destination: Path) -> bytes:
    """Return the transcript in the format of `destination`, which `transcribe` must have saved."""
    sibling = artifact.path.with_suffix(destination.suffix.lower())
    try:
        return sibling.read_bytes()
    except FileNotFoundError:
        available_suffixes = ", ".join(sorted(path.suffix for path in artifact.path.parent.glob(f"{artifact.id}.*")))
        raise InvalidInput(
            f"{artifact.uri} is not saved as {destination.suffix}, only as {available_suffixes}. Transcribe again with "
            f'format="{destination.suffix.removeprefix(".")}".',
            param="path",
        ) from None
