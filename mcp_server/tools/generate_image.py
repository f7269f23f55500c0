"""generate_image: draw pictures from words."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, KeepAlive, ToolContext, keep_copy, link, read_picture, stay, told, tool
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Generated, Picture, answer
from mcp_server.files.access import Files
from mcp_server.files.artifacts import Artifact, Kind
from mcp_server.files.client import Caller
from mcp_server.viewer.page import SHOWN_BY_VIEWER
from model_runtime.errors import InvalidInput
from model_runtime.events import Drawing, Finished
from model_runtime.requests import GenerateImage, Task

Format = Literal["png", "jpeg", "webp"]
SUFFIXES: dict[Format, tuple[str, ...]] = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Output:
    """Where pictures go and in which format; `paths` is empty where the caller named no place."""

    files: Files
    format: Format
    paths: tuple[Path, ...]


def add_generate_image(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tool."""

    @tool(server, title="Generate an image", meta=SHOWN_BY_VIEWER)
    async def generate_image(
        ctx: ToolContext,
        prompt: Annotated[str, Field(description="What to draw", min_length=1, max_length=4000)],
        width: Annotated[int, Field(ge=64, le=1536, multiple_of=16)] = 1024,
        height: Annotated[int, Field(ge=64, le=1536, multiple_of=16)] = 1024,
        steps: Annotated[int, Field(ge=0, le=50, description="0: the model's own number")] = 0,
        seed: Annotated[int, Field(ge=-1, le=LARGEST_SEED, description="-1: random, reported")] = -1,
        count: Annotated[int, Field(ge=1, le=4)] = 1,
        image: Annotated[str, Field(description="Start from this picture (same forms as describe_image)")] = "",
        strength: Annotated[float, Field(ge=0, le=1, description="How far to move away from image")] = 0.4,
        model: Annotated[str, Field(description="auto, fast, best or a name from media_status")] = "auto",
        format: Annotated[  # noqa: A002
            Literal["auto", "png", "jpeg", "webp"], Field(description="auto: by output_path, else png")
        ] = "auto",
        output_path: Annotated[str, Field(description="Also save here; several get -2, -3 …")] = "",
        overwrite: bool = False,
        preview: Literal["thumbnail", "full", "none"] = "thumbnail",
        keep_alive: KeepAlive = "",
        wait_seconds: Annotated[int, Field(ge=-1, le=3600, description="-1: as long as this client can")] = -1,
    ) -> Annotated[CallToolResult, Generated]:
        """Draw images from a text prompt with a local model. Every image is saved; the result has its absolute path,
        a senses:// address and a small preview. Show the path to the user. status "running" means: call get_job."""
        name = desk.service.resolve(model, Task.IMAGE)
        files, client = desk.files(ctx), sdk_compat.client_name(ctx)
        seconds = stay(keep_alive)
        output = plan_output(files, format, output_path, count, overwrite=overwrite)
        first = seed if seed >= 0 else secrets.randbelow(2**31)
        seeds = [(first + extra) % (LARGEST_SEED + 1) for extra in range(count)]

        async def draw(meter: Meter) -> CallToolResult:
            source = await read_picture(files, image, "image") if image else None
            meter.parts = count
            drawn: list[Finished] = []
            for meter.part, number in enumerate(seeds):
                request = GenerateImage(name, prompt, width, height, number, steps, source, strength)
                drawn.append(await desk.run(request, meter, client, keep_alive_seconds=seconds))
            return await anyio.to_thread.run_sync(keep, desk, drawn, output, prompt, preview)

        return await desk.work(ctx, "generate_image", wait_seconds, draw)


def plan_output(
    files: Files, wanted: Literal["auto", "png", "jpeg", "webp"], output_path: str, count: int, *, overwrite: bool
) -> Output:
    """Decide format and places before any work; raises `InvalidInput` where they do not fit together."""
    if not output_path:
        return Output(files, "png" if wanted == "auto" else wanted, ())
    chosen = _format_of(output_path) if wanted == "auto" else wanted
    whole = Path(output_path)
    names = [whole, *(whole.with_name(f"{whole.stem}-{number}{whole.suffix}") for number in range(2, count + 1))]
    return Output(
        files, chosen, tuple(files.destination(str(name), SUFFIXES[chosen], overwrite=overwrite) for name in names)
    )


def _format_of(output_path: str) -> Format:
    suffix = Path(output_path).suffix.lower()
    for name, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return name
    raise InvalidInput(f"{output_path} must end in .png, .jpg, .jpeg or .webp.", param="output_path")


def keep(desk: Desk, drawn: list[Finished], output: Output, prompt: str, preview: str) -> CallToolResult:
    """Save finished pictures and build the answer; blocking."""
    from model_runtime.media import pictures

    drawings = [finished.result for finished in drawn if isinstance(finished.result, Drawing)]
    kept = [desk.artifacts.add(Kind.IMAGES, drawing.png) for drawing in drawings]
    places = output.paths or (None,) * len(kept)
    shown = [
        _picture(desk, artifact, drawing, output, place)
        for artifact, drawing, place in zip(kept, drawings, places, strict=True)
    ]
    facts = told(drawn[-1])
    facts["seconds"] = round(sum(finished.timings.running for finished in drawn), 3)
    facts["load_seconds"] = round(sum(finished.timings.loading for finished in drawn), 3)
    return answer(
        Generated(images=shown, prompt=prompt, steps=drawings[-1].steps, **facts),
        links=[link(artifact) for artifact in kept],
        pngs=[] if preview == "none" else [drawing.png for drawing in drawings],
        shrink=pictures.preview,
        full=preview == "full",
    )


def _picture(desk: Desk, artifact: Artifact, drawing: Drawing, output: Output, place: Path | None) -> Picture:
    from model_runtime.media.pictures import encode_picture

    data = drawing.png if output.format == "png" else encode_picture(drawing.png, output.format)
    path = artifact.path
    if output.format != "png" and place is None:
        path = desk.artifacts.add_sibling(artifact, SUFFIXES[output.format][0], data)
    return Picture(
        width=drawing.width,
        height=drawing.height,
        path=str(keep_copy(place, path, output.files, data)),
        uri=artifact.uri,
        url=desk.url(artifact),
        seed=drawing.seed,
        size_bytes=len(data),
    )
