"""save_media: save an earlier result in the user's project."""

import io
import wave
from pathlib import Path, PurePath
from typing import Annotated, Any

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.asset_sets import AssetSetName, asset_folder, asset_set
from mcp_server.calls.context import AppContext, ToolContext, save_copy
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.picture_copies import ICON_SUFFIX, PICTURE_FORMATS, PictureOptions, copy_picture, render_set
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import SaveResult
from mcp_server.calls.results import build_result
from mcp_server.calls.transcript_formats import SUFFIXES as TRANSCRIPT_SUFFIXES
from mcp_server.calls.transcript_formats import load_transcript, render
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, StoredArtifact
from mcp_server.files.client import ClientConnection
from model_runtime.errors import InvalidInput

ALLOWED_SUFFIXES = {
    ArtifactKind.IMAGES: (*PICTURE_FORMATS, ICON_SUFFIX),
    ArtifactKind.AUDIO: (".wav", ".mp3", ".flac", ".opus"),
    ArtifactKind.TRANSCRIPTS: tuple(TRANSCRIPT_SUFFIXES.values()),
}


def add_save_media(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, path: str, set: AssetSetName) -> ClientFiles:  # noqa: A002
        return await app.find_files(ctx, writes=[path if set == "none" else f"{path}/files"])

    @tool(server, title="Save a result into the project", idempotent=True, destructive=True)
    async def save_media(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        uri: Annotated[str, Field(description="The senses:// uri of an earlier result")],
        path: Annotated[
            str, Field(description="Where to; its ending chooses the format (.png .webp .ico .mp3 .srt …)")
        ],
        width: Annotated[int, Field(ge=0, le=4096, description="Of images; with height: cropped to fit")] = 0,
        height: Annotated[int, Field(ge=0, le=4096)] = 0,
        transparent: Annotated[bool, Field(description="Cut out a plain background")] = False,
        set: Annotated[  # noqa: A002
            AssetSetName,
            Field(description="Every file of a web or macOS icon, or a link preview, into the folder path"),
        ] = "none",
        max_kb: Annotated[int, Field(ge=0, le=1_000_000, description="For images: shrink to fit; 0: any size")] = 0,
        overwrite: bool = False,
    ) -> Annotated[CallToolResult, SaveResult]:
        """Put a generated image, spoken audio or transcript into the user's project under a name of its own, converted
        to the format its ending names. Images can be resized, lose their background, fit a size for the web, or become
        a set: favicon, app-icon, og (with the HTML to paste)."""
        artifact = await files.artifact_at(uri)
        options = PictureOptions(width, height, transparent, max_kb * 1000, app.settings.image_provenance)
        if artifact.kind is not ArtifactKind.IMAGES:
            _require_images_for(width=width, height=height, transparent=transparent, set=set != "none")
        if set != "none":
            return await save_set(files, artifact, path, set, options, overwrite=overwrite)
        destination = await files.resolve_destination(
            path, ALLOWED_SUFFIXES[artifact.kind], overwrite=overwrite, param="path"
        )
        data, fields = await anyio.to_thread.run_sync(convert_artifact, artifact, destination, options)
        saved = await save_copy(destination, artifact.path, files, data)
        fields["warnings"] = [*files.notes, *fields.get("warnings", [])]
        return build_result(SaveResult(path=str(saved), uri=artifact.uri, size_bytes=len(data), **fields))


def _require_images_for(**arguments: object) -> None:
    """Refuse arguments that only images have.

    Raises:
        InvalidInput: one is used.
    """
    for name, value in arguments.items():
        if value:
            raise InvalidInput(f"{name} is for images, and this result is none. Leave it out.")


async def save_set(
    files: ClientFiles,
    artifact: StoredArtifact,
    path: str,
    name: AssetSetName,
    options: PictureOptions,
    *,
    overwrite: bool,
) -> CallToolResult:
    """Write every file of a set into the folder `path`; all are checked before the first is written.

    Raises:
        InvalidInput: a file is not allowed or exists, a size is given, or the background cannot be removed.
        ArtifactNotSaved: a file cannot be written.
    """
    if options.width or options.height or options.max_bytes:
        raise InvalidInput(f'set="{name}" has sizes of its own: leave out width, height and max_kb.')
    folder = asset_folder(name, path)
    assets = asset_set(name, folder)
    destinations = [
        await files.resolve_destination(
            f"{folder.rstrip('/')}/{file}", (PurePath(file).suffix,), overwrite=overwrite, param="path"
        )
        for file in assets.names
    ]

    def render() -> tuple[dict[str, bytes], list[str]]:
        return render_set(artifact.path.read_bytes(), assets, options)

    contents, warnings = await anyio.to_thread.run_sync(render)
    for file, destination in zip(assets.names, destinations, strict=True):
        await save_copy(destination, artifact.path, files, contents[file])
    return build_result(
        SaveResult(
            path=str(destinations[0].parent),
            uri=artifact.uri,
            size_bytes=sum(map(len, contents.values())),
            files=list(assets.names),
            snippet=assets.snippet,
            warnings=[*files.notes, *warnings],
        )
    )


def convert_artifact(
    artifact: StoredArtifact, destination: Path, options: PictureOptions
) -> tuple[bytes, dict[str, Any]]:
    """Convert a result to the format of `destination`; return the bytes and the fields that describe them.

    Blocks on the disk.

    Raises:
        InvalidInput: the result is larger than `options.max_bytes` or has no such format, or its background stays.
    """
    fields: dict[str, Any] = {}
    if artifact.kind is ArtifactKind.IMAGES:
        data, fields = copy_picture(artifact.path.read_bytes(), destination.name, options)
    else:
        read = _audio_bytes if artifact.kind is ArtifactKind.AUDIO else _transcript_bytes
        data = read(artifact, destination)
    if options.max_bytes and len(data) > options.max_bytes:
        raise InvalidInput(
            f"{destination.name} would have {len(data) / 1000:.0f} kB, more than max_kb={options.max_bytes / 1000:.0f}. "
            "Only images but .ico are shrunk to fit: choose .mp3 or .opus for audio, or raise max_kb.",
        )
    return data, fields


def _audio_bytes(artifact: StoredArtifact, destination: Path) -> bytes:
    original = artifact.path.read_bytes()
    audio_format = destination.suffix.lower().removeprefix(".")
    if audio_format == "wav":
        return original
    from model_runtime.media.speech_encoder import encode_speech

    with wave.open(io.BytesIO(original)) as file:
        return encode_speech(file.readframes(file.getnframes()), file.getframerate(), audio_format)


def _transcript_bytes(artifact: StoredArtifact, destination: Path) -> bytes:
    """Return the transcript in the format of `destination`."""
    suffix = destination.suffix.lower()
    if suffix == artifact.path.suffix:
        return artifact.path.read_bytes()
    formats = {ending: transcript_format for transcript_format, ending in TRANSCRIPT_SUFFIXES.items()}
    return render(load_transcript(artifact), formats[suffix]).encode()
