"""Generated pictures on their way into a result: ranked, saved, shown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from mcp_types import CallToolResult

from mcp_server.calls.context import AppContext, result_link, save_result
from mcp_server.calls.judging import Judgement, best_first
from mcp_server.calls.result_types import GenerateResult, OtherCandidate, SavedImage
from mcp_server.calls.results import build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved, StoredArtifact
from model_runtime.events import GeneratedImage
from model_runtime.media.types import ImageFormat

SUFFIXES: dict[ImageFormat, tuple[str, ...]] = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """The format of the images and their paths; `destinations` is empty without an output_path."""

    files: ClientFiles
    format: ImageFormat
    destinations: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A generated image, and what a vision model said of it; None if none looked at it."""

    image: GeneratedImage
    judgement: Judgement | None = None

    @property
    def judgement_fields(self) -> dict[str, Any]:
        """The judgement as fields of a result."""
        return asdict(self.judgement) if self.judgement else {}


def rank(drawings: Sequence[Drawing], judgements: Sequence[Judgement]) -> list[Drawing]:
    """Return the drawings with their judgements, the best first; in their own order if there are no judgements."""
    if not judgements:
        return list(drawings)
    return [replace(drawings[index], judgement=judgements[index]) for index in best_first(judgements)]


async def save_drawings(
    app: AppContext,
    kept: Sequence[Drawing],
    others: Sequence[Drawing],
    output: OutputPlan,
    fields: dict[str, Any],
    preview: str,
) -> CallToolResult:
    """Save the images and build the result. `others` were not chosen: they are kept among the results only.

    Raises:
        ArtifactNotSaved: a copy cannot be written.
    """
    from model_runtime.media.images import encode_preview

    destinations = output.destinations or (None,) * len(kept)
    stored: list[tuple[StoredArtifact, bytes]] = []
    saved_images: list[SavedImage] = []
    try:
        stored = [await anyio.to_thread.run_sync(_store_image, app, one.image, output.format) for one in kept]
        for drawing, (artifact, data), destination in zip(kept, stored, destinations, strict=True):
            path = await save_result(output.files, artifact, SUFFIXES[output.format][0], data, destination)
            saved_images.append(_saved_image(app, drawing, artifact, path, len(data)))
            fields["warnings"] += app.artifacts.warnings_about(artifact.path, path)
        if others:
            fields["others"] = await anyio.to_thread.run_sync(_store_others, app, others)
    except NothingSaved as error:
        preview, stored, saved_images = "full", [], []
        fields["warnings"].append(error.warning)
    return await anyio.to_thread.run_sync(
        partial(
            build_result,
            GenerateResult(images=saved_images, **fields),
            links=[result_link(artifact) for artifact, _ in stored],
            pngs=[] if preview == "none" else [drawing.image.png for drawing in kept],
            make_preview=encode_preview,
            full=preview == "full",
        )
    )


def _saved_image(
    app: AppContext, drawing: Drawing, artifact: StoredArtifact, path: Path, size_bytes: int
) -> SavedImage:
    image = drawing.image
    fields = app.artifact_fields(artifact, path) | drawing.judgement_fields
    return SavedImage(width=image.width, height=image.height, seed=image.seed, size_bytes=size_bytes, **fields)


def _store_others(app: AppContext, drawings: Sequence[Drawing]) -> list[OtherCandidate]:
    """Store the images that were not chosen. Blocks on the disk.

    Raises:
        NothingSaved: an image cannot be written anywhere.
    """
    stored = [(drawing, app.artifacts.add(ArtifactKind.IMAGES, drawing.image.png)) for drawing in drawings]
    return [
        OtherCandidate(uri=artifact.uri, seed=drawing.image.seed, **drawing.judgement_fields)
        for drawing, artifact in stored
    ]


def _store_image(app: AppContext, drawing: GeneratedImage, image_format: ImageFormat) -> tuple[StoredArtifact, bytes]:
    """Store an image as PNG; return the artifact, and the image in the requested format. Blocks on the disk.

    Raises:
        NothingSaved: the image cannot be written anywhere.
    """
    from model_runtime.media.images import encode_image

    return app.artifacts.add(ArtifactKind.IMAGES, drawing.png), encode_image(drawing.png, image_format)
