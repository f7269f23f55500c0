"""generate_image: draw images from a text prompt."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import (
    AppContext,
    KeepAliveArgument,
    ModelArgument,
    ToolContext,
    WaitArgument,
    keep_alive_seconds_of,
    read_image,
    result_fields,
    result_link,
    save_result,
    tool,
)
from mcp_server.calls.download_consent import AgreedDownload, agreed_download, model_of_task
from mcp_server.calls.folder_consent import Wishes, consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.judging import Judgement, best_first, find_judge, judge_pictures
from mcp_server.calls.output_format import chosen_format
from mcp_server.calls.results import GenerateResult, OtherCandidate, SavedImage, build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE
from model_runtime.events import Finished, GeneratedImage
from model_runtime.media.types import ImageFormat
from model_runtime.requests import GenerateImage, Task
from model_runtime.validation.image import MAX_SEED

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


def add_generate_image(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def wishes(ctx: ToolContext, image: str, output_path: str) -> Wishes:
        return await app.files(ctx).wishes([image], [output_path])

    @tool(server, title="Generate an image", meta=VIEWER_TOOL_META, destructive=True)
    async def generate_image(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, wishes)],
        download: Annotated[AgreedDownload, agreed_download(app, model_of_task(app, Task.IMAGE))],
        prompt: Annotated[str, Field(description="What to draw", min_length=1, max_length=4000)],
        width: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 1024,
        height: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 1024,
        steps: Annotated[int, Field(ge=0, le=50, description="0: the model's own number")] = 0,
        seed: Annotated[int, Field(ge=-1, le=MAX_SEED, description="-1: random, reported")] = -1,
        count: Annotated[int, Field(ge=1, le=4)] = 1,
        candidates: Annotated[
            int, Field(ge=0, le=8, description="Draw this many, look at each, keep the best count")
        ] = 0,
        image: Annotated[str, Field(description="Start from this picture (same forms as describe_image)")] = "",
        strength: Annotated[float, Field(ge=0, le=1, description="How far to move away from image")] = 0.4,
        model: ModelArgument = "auto",
        format: Annotated[  # noqa: A002
            Literal["auto", "png", "jpeg", "webp"], Field(description="auto: by output_path, else png")
        ] = "auto",
        output_path: Annotated[str, Field(description="Also save here; several get -2, -3 …")] = "",
        overwrite: bool = False,
        preview: Literal["thumbnail", "full", "none"] = "thumbnail",
        keep_alive: KeepAliveArgument = "",
        wait_seconds: WaitArgument = -1,
    ) -> Annotated[CallToolResult, GenerateResult]:
        """Draw images (illustration, icon, logo, favicon) from a text prompt with a local model. Every image is saved; the result has its absolute path,
        a senses:// address and a small preview. Show the path to the user. status "running" means: call get_job."""
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)
        output = await plan_output(files, format, output_path, count, overwrite=overwrite)
        first_seed = seed if seed >= 0 else secrets.randbelow(2**31)
        drawn_count = max(count, candidates)
        seeds = [(first_seed + offset) % (MAX_SEED + 1) for offset in range(drawn_count)]
        judge = await find_judge(app) if drawn_count > count else None

        async def run_requests(job: ToolJob) -> CallToolResult:
            source = await read_image(app.service.media, files, image, "image") if image else None
            job.progress.part_count = drawn_count * (2 if judge else 1)
            runs: list[tuple[Finished, GeneratedImage]] = []
            for index, image_seed in enumerate(seeds):
                job.progress.begin_part(index, f"picture {index + 1}/{drawn_count}" if drawn_count > 1 else "")
                request = GenerateImage(model, prompt, width, height, image_seed, steps, source, strength)
                runs.append(await app.run_request(request, job, GeneratedImage, keep_alive_seconds=keep_alive_seconds))
            fields = (
                result_fields(runs[-1][0], files.notes)
                | timings_of(runs)
                | {"prompt": prompt, "steps": runs[-1][1].steps}
            )
            drawings = [Drawing(drawn) for _, drawn in runs]
            if judge:
                judgements, warnings = await judge_pictures(app, judge, job, prompt, [drawn.png for _, drawn in runs])
                drawings = rank(drawings, judgements)
                fields["warnings"] += [*warnings, *judge.warnings(drawn_by_starter=runs[0][0].starter)]
                fields["judge"] = judge.model
            shown = "full" if files.client.over_http and preview == "thumbnail" else preview
            return await save_images(app, drawings[:count], drawings[count:], output, fields, shown)

        return await app.run_job(ctx, "generate_image", wait_seconds, download.before(run_requests), files)


async def plan_output(
    files: ClientFiles,
    requested_format: Literal["auto", "png", "jpeg", "webp"],
    output_path: str,
    count: int,
    *,
    overwrite: bool,
) -> OutputPlan:
    """Choose format and paths before any work.

    Raises:
        InvalidInput: a path is not allowed, exists, or does not fit the format.
    """
    image_format = chosen_format(requested_format, output_path, SUFFIXES, "png")
    if not output_path:
        return OutputPlan(files, image_format, ())
    first = Path(output_path)
    paths = [first, *(first.with_name(f"{first.stem}-{number}{first.suffix}") for number in range(2, count + 1))]
    suffixes = SUFFIXES[image_format]
    destinations = [await files.resolve_destination(str(path), suffixes, overwrite=overwrite) for path in paths]
    return OutputPlan(files, image_format, tuple(destinations))


def timings_of(runs: Sequence[tuple[Finished, GeneratedImage]]) -> dict[str, Any]:
    """Return the seconds of all runs together, as fields of a result."""
    timings = [finished.timings for finished, _ in runs]
    return {
        "seconds": round(sum(one.running_seconds for one in timings), 3),
        "load_seconds": round(sum(one.loading_seconds for one in timings), 3),
    }


def rank(drawings: Sequence[Drawing], judgements: Sequence[Judgement]) -> list[Drawing]:
    """Return the drawings with their judgements, the best first; in their own order if there are no judgements."""
    if not judgements:
        return list(drawings)
    return [replace(drawings[index], judgement=judgements[index]) for index in best_first(judgements)]


async def save_images(
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
        stored = [await anyio.to_thread.run_sync(store_image, app, one.image, output.format) for one in kept]
        for drawing, (artifact, data), destination in zip(kept, stored, destinations, strict=True):
            path = await save_result(output.files, artifact, SUFFIXES[output.format][0], data, destination)
            saved_images.append(_saved_image(app, drawing, artifact, path, len(data)))
            fields["warnings"] += app.artifacts.warnings_about(artifact.path, path)
        if others:
            fields["others"] = await anyio.to_thread.run_sync(store_others, app, others)
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


def store_others(app: AppContext, drawings: Sequence[Drawing]) -> list[OtherCandidate]:
    """Store the images that were not chosen. Blocks on the disk.

    Raises:
        NothingSaved: an image cannot be written anywhere.
    """
    stored = [(drawing, app.artifacts.add(ArtifactKind.IMAGES, drawing.image.png)) for drawing in drawings]
    return [
        OtherCandidate(uri=artifact.uri, seed=drawing.image.seed, **drawing.judgement_fields)
        for drawing, artifact in stored
    ]


def store_image(app: AppContext, drawing: GeneratedImage, image_format: ImageFormat) -> tuple[StoredArtifact, bytes]:
    """Store an image as PNG; return the artifact, and the image in the requested format. Blocks on the disk.

    Raises:
        NothingSaved: the image cannot be written anywhere.
    """
    from model_runtime.media.images import encode_image

    return app.artifacts.add(ArtifactKind.IMAGES, drawing.png), encode_image(drawing.png, image_format)
