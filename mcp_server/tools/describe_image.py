"""describe_image: what is in a picture."""

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, KeepAlive, ToolContext, read_picture, stay, told, tool
from mcp_server.calls.detections import Extent, read_boxes, read_points
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Described, Size, answer
from mcp_server.files.client import Caller
from model_runtime.catalog.detect import PLACES
from model_runtime.errors import InvalidInput
from model_runtime.events import Answer
from model_runtime.requests import Chat, Message, Task

PROMPTS = {
    "describe": "Describe this image in detail.",
    "caption": "Describe this image in one short sentence.",
    "alt_text": "Write alt text for this image: at most 125 characters, no 'image of'. Answer with the text only.",
    "detect": 'Detect every instance of {what}. Answer with JSON: [{{"bbox_2d": [x1, y1, x2, y2], "label": "name"}}].',
    "point": 'Point to every instance of {what}. Answer with JSON: [{{"point_2d": [x, y], "label": "name"}}].',
    "ocr": "Write down all text in this image exactly as it stands, line by line. Answer with the text only.",
}


def add_describe_image(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tool."""

    @tool(server, title="Describe an image", reads=True)
    async def describe_image(
        ctx: ToolContext,
        image: Annotated[str, Field(description="Path (absolute, ~ or relative), file://, senses:// or data: URI")],
        prompt: Annotated[str, Field(description="A question or instruction about the image", max_length=8000)] = "",
        task: Literal["describe", "caption", "alt_text", "ocr", "detect", "point"] = "describe",
        more_images: Annotated[
            list[str], Field(description="Further images to compare, for models that take several", max_length=7)
        ] = [],  # noqa: B006
        model: Annotated[str, Field(description="auto, fast, best or a name from media_status")] = "auto",
        max_tokens: Annotated[int, Field(ge=1, le=4096)] = 512,
        keep_alive: KeepAlive = "",
        wait_seconds: Annotated[int, Field(ge=-1, le=3600, description="-1: as long as this client can")] = -1,
    ) -> Annotated[CallToolResult, Described]:
        """Look at an image file with a local vision model: describe it, answer a question about it, write alt text,
        read its text (task="ocr") or find things in pixels (detect, point: the prompt names them). Pass file paths,
        never bare base64. Nothing leaves this machine."""
        name = desk.service.resolve(model, Task.VISION)
        if task in PLACES:
            check_places(desk, name, task)
        question = asked(task, prompt)
        files, client = desk.files(ctx), sdk_compat.client_name(ctx)
        seconds = stay(keep_alive)

        async def look(meter: Meter) -> CallToolResult:
            first = await read_picture(files, image, "image")
            others = [await read_picture(files, other, "more_images") for other in more_images]
            request = Chat(name, (Message("user", (first, *others, question)),), max_tokens=max_tokens)
            finished = await desk.run(request, meter, client, keep_alive_seconds=seconds)
            if not isinstance(finished.result, Answer):
                raise TypeError(finished.result)
            found = finished.result
            return answer(
                Described(
                    text=found.text.strip(),
                    task=task,
                    image=Size(width=first.width, height=first.height),
                    **places(task, found, (first.width, first.height)),
                    truncated=found.finish_reason == "length",
                    prompt_tokens=found.prompt_tokens,
                    completion_tokens=found.completion_tokens,
                    **told(finished),
                )
            )

        return await desk.work(ctx, "describe_image", wait_seconds, look)


def asked(task: str, prompt: str) -> str:
    """Return what the model is asked: the prompt itself, or the task's own words with the prompt."""
    if task in PLACES:
        return PROMPTS[task].format(what=prompt or "every object")
    return prompt if prompt and task == "describe" else f"{PROMPTS[task]} {prompt}".strip()


def check_places(desk: Desk, name: str, task: str) -> None:
    """Refuse a task that the model cannot do; raises `InvalidInput`."""
    models = {model.name: model for model in desk.service.status().models}
    if name in models and models[name].present and task not in models[name].abilities:
        able = [model.name for model in models.values() if task in model.abilities] or [
            "vlm-best (senses pull vlm-best)"
        ]
        raise InvalidInput(
            f"{name} cannot {task}: it does not name places in pixels. Pass model={able[0]}, or ask where it is in words.",
            param="task",
            code="unsupported_task",
        )


def places(task: str, found: Answer, picture: Extent) -> dict[str, Any]:
    """Return the boxes or points of an answer, where the task asks for them."""
    seen = found.seen[0] if found.seen else picture
    if task == "detect":
        return {"boxes": read_boxes(found.text, seen, picture)}
    return {"points": read_points(found.text, seen, picture)} if task == "point" else {}
