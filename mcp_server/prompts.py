"""MCP prompts, which people pick from a menu of their client, and completions for their arguments."""

from typing import Any

import anyio
from mcp.server import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from mcp_server.calls.context import AppContext
from mcp_server.files.artifacts import URI_SCHEME
from mcp_server.files.client import ClientConnection

STYLES = ("watercolour", "line drawing", "photograph", "isometric", "flat icon", "pixel art", "oil painting")


def add_prompts(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register prompts and completions."""

    @server.prompt(title="Alt text")
    def alt_text(path: str) -> str:
        """Write alt text for an image."""
        return f'Call describe_image on {path} with task="alt_text" and give me the text, at most 125 characters.'

    @server.prompt(title="Read a screenshot")
    def read_screenshot(path: str) -> str:
        """Turn a screenshot into a brief that its user interface can be built from."""
        return (
            f"Call measure_image on {path}: its elements have exact boxes, colours, padding and gaps in pixels, and the "
            f'words of each line. Call describe_image on {path} with task="ocr" if lines are missing, and with '
            'include_text="never" and a prompt that asks for components and their states; look closer with region at '
            "whatever stays unclear; if a starter answers, trust the measurements and lines alone. Then write a brief to "
            "build this screen from: regions from top to bottom, each with its components and their states, its labels "
            "word for word from the lines, positions and sizes in percent of the image's width and height, colours as "
            "hex, alignment and spacing. List what you cannot see as a question; do not invent it. Once it is built, "
            f"call compare_images with a={path} and b=a screenshot of the same size, and fix what it names."
        )

    @server.prompt(title="Meeting minutes")
    def meeting_minutes(path: str) -> str:
        """Turn a recording into minutes."""
        return (
            f'Call transcribe on {path} with timestamps="segment" (get_job if it is still running), then '
            "read_transcript as long as a result has next_from_seconds. Write minutes: the people present, as far as you can tell, decisions, action items with owners, open "
            "questions, each with the time in the recording."
        )

    @server.prompt(title="Narrate")
    def narrate(path_or_text: str, voice: str = "") -> str:
        """Read a file or a text aloud."""
        voice_clause = f' with voice="{voice}"' if voice else ""
        return (
            f"Read {path_or_text} aloud: if it names a file, read it first and leave out markup and code. Call speak"
            f"{voice_clause} and play=true, at most 20000 characters a call, and tell me the paths."
        )

    @server.prompt(title="Illustrate")
    def illustrate(topic: str, style: str = "") -> str:
        """Draw a picture for a topic."""
        style_clause = f" in the style of a {style}" if style else ""
        return (
            f"Write one vivid sentence that describes a picture for: {topic}{style_clause}. Call generate_image with "
            "it, look at the preview, try once more with a better prompt if it misses, and tell me the path."
        )

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        values = await _completion_values(app, ref, argument.name)
        matching = [value for value in values if value.startswith(argument.value)]
        return Completion(values=matching[:100], total=len(matching), has_more=len(matching) > 100)


async def _completion_values(app: AppContext, ref: Any, argument: str) -> list[str]:
    if argument == "style":
        return list(STYLES)
    if argument == "voice":
        return sorted({voice for model in app.service.status().models for voice in model.voices})
    if argument == "name" and isinstance(ref, ResourceTemplateReference):
        place = ref.uri.removeprefix(f"{URI_SCHEME}://").partition("/")[0]
        kind = {"previews": "images", "transcript": "transcripts"}.get(place, place)
        recent = await anyio.to_thread.run_sync(app.artifacts.recent, 100)
        return [artifact.id for artifact in recent if artifact.kind == kind]
    return []
