"""generate_image: draw images from a text prompt."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

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
    result_fields,
)
from mcp_server.calls.download_consent import ChosenModel, chosen_model, model_of_task
from mcp_server.calls.drawings import SUFFIXES, Drawing, OutputPlan, rank, save_drawings
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.judging import find_judge, judge_pictures
from mcp_server.calls.media_inputs import read_image
from mcp_server.calls.output_format import chosen_format
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import GenerateResult
from mcp_server.files.access import ClientFiles
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE
from model_runtime.events import Finished, GeneratedImage
from model_runtime.requests import GenerateImage, Task
from model_runtime.validation.image import MAX_SEED

FinishedImage = tuple[Finished, GeneratedImage]
"""The last event of a request, and its picture."""


def add_generate_image(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, image: str, output_path: str) -> ClientFiles:
        return await app.find_files(ctx, [image], [output_path])

    @tool(server, title="Generate an image", meta=VIEWER_TOOL_META, destructive=True)
    async def generate_image(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        chosen: Annotated[ChosenModel, chosen_model(app, model_of_task(app, Task.IMAGE))],
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
        """Draw images (illustration, icon, logo, favicon) from a text prompt with a local model. Every image is saved;
        the result has its absolute path, a senses:// address and a small preview. Show the path to the user. status "running" means: call get_job."""
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)
        output = await plan_output(files, format, output_path, count, overwrite=overwrite)
        first_seed = seed if seed >= 0 else secrets.randbelow(2**31)
        drawn_count = max(count, candidates)
        seeds = [(first_seed + offset) % (MAX_SEED + 1) for offset in range(drawn_count)]
        judge = await find_judge(app) if drawn_count > count else None

        async def run_requests(job: ToolJob) -> CallToolResult:
            source = await read_image(app.service.media, files, image, "image") if image else None
            job.progress.part_count = drawn_count * (2 if judge else 1)
            requests = [
                GenerateImage(chosen.name, prompt, width, height, one, steps, source, strength) for one in seeds
            ]
            runs = await draw_each(app, job, requests, keep_alive_seconds)
            fields, drawings = fields_of(runs, prompt, files.notes), [Drawing(drawn) for _, drawn in runs]
            if judge:
                judgements, warnings = await judge_pictures(app, judge, job, prompt, [drawn.png for _, drawn in runs])
                drawings = rank(drawings, judgements)
                fields["warnings"] += [*warnings, *judge.warnings(drawn_by_starter=fields["starter"])]
                fields["judge"] = judge.model
            shown = "full" if files.client.over_http and preview == "thumbnail" else preview
            return await save_drawings(app, drawings[:count], drawings[count:], output, fields, shown)

        return await app.run_job(ctx, "generate_image", wait_seconds, chosen.before(run_requests), files)


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


async def draw_each(
    app: AppContext, job: ToolJob, requests: Sequence[GenerateImage], keep_alive_seconds: float | None
) -> list[FinishedImage]:
    """Draw one picture after the other, each as a part of the job's progress.

    Raises:
        SensesError: a request fails.
    """
    runs: list[FinishedImage] = []
    for number, request in enumerate(requests, 1):
        job.progress.begin_part(number - 1, f"picture {number}/{len(requests)}" if len(requests) > 1 else "")
        runs.append(await app.run_request(request, job, GeneratedImage, keep_alive_seconds=keep_alive_seconds))
    return runs


def fields_of(runs: Sequence[FinishedImage], prompt: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return what the runs of a call have in common, as fields of its result; the seconds are those of all together."""
    finished, drawn = runs[-1]
    timings = [one.timings for one, _ in runs]
    return result_fields(finished, notes) | {
        "seconds": round(sum(one.running_seconds for one in timings), 3),
        "load_seconds": round(sum(one.loading_seconds for one in timings), 3),
        "prompt": prompt,
        "steps": drawn.steps,
    }
