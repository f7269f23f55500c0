"""describe_image: describe an image, answer questions about it, read its text, locate objects."""

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
from mcp_server.calls.detections import parse_boxes, parse_points
from mcp_server.calls.download_consent import ChosenModel, chosen_model
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.media_inputs import decode_region, open_image, read_image
from mcp_server.calls.provenance import read_provenance_of
from mcp_server.calls.regions import RegionArgument, parse_region, to_whole
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import DescribeResult, ImageProvenance, ImageSize
from mcp_server.calls.results import build_result
from mcp_server.calls.text_in_image import (
    MAX_LINES,
    IncludeText,
    TextInImage,
    is_text_wanted,
    read_text,
    to_image_lines,
)
from mcp_server.files.access import ClientFiles
from mcp_server.files.client import ClientConnection
from model_runtime.catalog.builtin_models import OCR_MODEL
from model_runtime.catalog.detect import GROUNDING_TASKS
from model_runtime.errors import InvalidInput
from model_runtime.events import ChatResult
from model_runtime.media.provenance import Provenance
from model_runtime.media.types import ImageData, PixelBox
from model_runtime.requests import Chat, Message, Task

OCR_MODELS = {"": "ocr", "auto": "ocr", "best": "ocr", "fast": OCR_MODEL.name}
"""What a tier means for the task "ocr": a model that reads, never a starter."""

PROMPTS = {
    "describe": "Describe this image in detail.",
    "caption": "Describe this image in one short sentence.",
    "alt_text": "Write alt text for this image: at most 125 characters, no 'image of'. Answer with the text only.",
    "detect": 'Detect every instance of {what}. Answer with JSON: [{{"bbox_2d": [x1, y1, x2, y2], "label": "name"}}].',
    "point": 'Point to every instance of {what}. Answer with JSON: [{{"point_2d": [x, y], "label": "name"}}].',
    "ocr": "Write down all text in this image exactly as it stands, line by line. Answer with the text only.",
}


def add_describe_image(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, image: str, more_images: list[str]) -> ClientFiles:
        return await app.find_files(ctx, [image, *more_images])

    async def find_model(model: str, task: str) -> str:
        wanted = OCR_MODELS.get(model.strip().lower(), model) if task == "ocr" else model
        return await app.service.resolve(wanted, Task.VISION)

    @tool(server, title="Describe an image", read_only=True)
    async def describe_image(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        chosen: Annotated[ChosenModel, chosen_model(app, find_model)],
        image: Annotated[
            str,
            Field(
                description='Path (absolute, ~ or relative), file://, senses:// or data: URI, "clipboard" or "screenshot" (the newest)'
            ),
        ],
        prompt: Annotated[str, Field(description="A question or instruction about the image", max_length=8000)] = "",
        task: Literal["describe", "caption", "alt_text", "ocr", "detect", "point"] = "describe",
        region: RegionArgument = [],  # noqa: B006
        more_images: Annotated[
            list[str], Field(description="Further images to compare, for models that take several", max_length=7)
        ] = [],  # noqa: B006
        include_text: Annotated[
            IncludeText, Field(description="Also return the text in the image with its places; auto: for small models")
        ] = "auto",
        model: ModelArgument = "auto",
        max_tokens: Annotated[int, Field(ge=1, le=4096)] = 512,
        keep_alive: KeepAliveArgument = "",
        wait_seconds: WaitArgument = -1,
    ) -> Annotated[CallToolResult, DescribeResult]:
        """Look at an image file (photo, screenshot, UI, design) with a local vision model: describe it, answer a
        question about it, write alt text, read its text with the place of each line (OCR: task="ocr") or find things in
        pixels (detect, point: the prompt names them). region looks closer at small things. Pass file paths, never bare
        base64. Nothing leaves this machine."""
        if task in GROUNDING_TASKS:
            require_grounding(app, chosen.name, task)
        question = prompt if chosen.name == OCR_MODEL.name else build_prompt(task, prompt)
        keep_alive_seconds = keep_alive_seconds_of(keep_alive)
        part = parse_region(region)

        async def run_request(job: ToolJob) -> CallToolResult:
            media = app.service.media
            with await open_image(files, image, "image") as file:
                drawn_from = await read_provenance_of(file)
                first, size = await decode_region(media, file, "image", part)
            others = [await read_image(media, files, other, "more_images") for other in more_images]
            content: tuple[str | ImageData, ...] = (first, *others, *filter(None, [question]))
            request = Chat(chosen.name, (Message("user", content),), max_tokens=max_tokens)
            finished, answer = await app.run_request(request, job, ChatResult, keep_alive_seconds=keep_alive_seconds)
            wants_text = is_text_wanted(app.service, include_text, task, finished)
            max_lines = None if task == "ocr" else MAX_LINES
            reading = await read_text(app, first, job, max_lines) if wants_text else TextInImage([])
            read = to_whole(reading.lines, part)
            lines = to_whole(to_image_lines(answer.lines), part) or (read if task == "ocr" else None)
            fields = result_fields(finished, files.notes)
            return build_result(
                DescribeResult(
                    text=answer.text.strip(),
                    task=task,
                    image=ImageSize(width=size[0], height=size[1]),
                    drawn_from=to_image_provenance(drawn_from),
                    **detections_of(task, answer, first, part),
                    truncated=answer.finish_reason == "length",
                    prompt_tokens=answer.prompt_tokens,
                    completion_tokens=answer.completion_tokens,
                    lines=lines or None,
                    text_in_image=(read if task != "ocr" else None) or None,
                    **fields | {"warnings": [*fields["warnings"], *reading.warnings]},
                )
            )

        return await app.run_job(ctx, "describe_image", wait_seconds, chosen.before(run_request), files)


def build_prompt(task: str, prompt: str) -> str:
    """Return the prompt for the model: the user's own, or the task's with the user's added."""
    if task in GROUNDING_TASKS:
        return PROMPTS[task].format(what=prompt or "every object")
    return prompt if prompt and task == "describe" else f"{PROMPTS[task]} {prompt}".strip()


def require_grounding(app: AppContext, model_name: str, task: str) -> None:
    """Refuse a task that the model does not support.

    Raises:
        InvalidInput: the model is downloaded and cannot return pixel positions.
    """
    status = app.service.status()
    model = status.model(model_name)
    if model is not None and model.present and task not in model.abilities:
        capable = [other.name for other in status.models if task in other.abilities]
        suggestion = capable[0] if capable else "vlm-best (senses pull vlm-best)"
        raise InvalidInput(
            f"{model_name} cannot {task}: it does not return pixel positions. Pass model={suggestion}, or ask for the "
            'position in words with task="describe".',
            code="unsupported_task",
        )


def to_image_provenance(drawn_from: Provenance | None) -> ImageProvenance | None:
    """Return the result field of what an image was drawn from."""
    return None if drawn_from is None else ImageProvenance.model_validate(drawn_from, from_attributes=True)


def detections_of(task: str, answer: ChatResult, image: ImageData, region: PixelBox | None = None) -> dict[str, Any]:
    """Return the result fields `boxes` or `points` for the tasks that have them, in pixels of the image's file.

    `image` is the `region` of it that was looked at, None means all.
    """
    processed_size = answer.processed_sizes[0] if answer.processed_sizes else (image.width, image.height)
    if task == "detect":
        return {"boxes": to_whole(parse_boxes(answer.text, processed_size, image.file_size), region)}
    if task == "point":
        return {"points": to_whole(parse_points(answer.text, processed_size, image.file_size), region)}
    return {}
