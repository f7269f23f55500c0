"""What the official conformance suite calls by name: tools, resources and prompts of every kind of content.

The suite's scenarios say what each must do; `test_suite.py` adds them to the server that the daemon builds.
"""

import base64
import json
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Message, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
)

from model_runtime.media.images import encode_image
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.media.types import ImageData

PNG = encode_image(ImageData(1, 1, b"\xff\0\0"))
PICTURE = ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")
SOUND = AudioContent(
    type="audio", data=base64.b64encode(encode_speech(b"\0\0" * 800, 8_000, "wav")).decode(), mime_type="audio/wav"
)


def add_contents(server: MCPServer[Any]) -> None:
    """Register the suite's tools, resources and prompts that ask the client nothing."""
    add_tools(server)
    add_notifying_tools(server)
    add_resources(server)
    add_prompts(server)


def add_tools(server: MCPServer[Any]) -> None:
    """Tools that answer at once."""

    @server.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Answer with a text."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    async def test_image_content() -> list[ContentBlock]:
        """Answer with a picture."""
        return [PICTURE]

    @server.tool(structured_output=False)
    async def test_audio_content() -> list[ContentBlock]:
        """Answer with a sound."""
        return [SOUND]

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> list[ContentBlock]:
        """Answer with a resource."""
        return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> list[ContentBlock]:
        """Answer with a text, a picture and a resource."""
        resource = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
        return [TextContent(type="text", text="Multiple content types test:"), PICTURE, resource]

    @server.tool()
    async def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")


def add_notifying_tools(server: MCPServer[Any]) -> None:
    """Tools that tell something before they answer, or tell followers."""

    @server.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Report progress three times."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100, f"Completed step {done} of 100")
        return "Done."

    async def log_three_times(ctx: Context[Any, Any]) -> str:
        """Log three lines."""
        for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.log("info", line)
        return "Done."

    for name in ("test_tool_with_logging", "test_logging_tool"):
        server.tool(name, structured_output=False)(log_three_times)

    @server.tool(structured_output=False)
    async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
        """Tell followers that there are other tools."""
        await ctx.notify_tools_changed()
        return "Told."

    @server.tool(structured_output=False)
    async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
        """Tell followers that there are other prompts."""
        await ctx.notify_prompts_changed()
        return "Told."

    async def set_level(ctx: Any, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    # Senses itself sends no log messages, which the protocol has deprecated
    server._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)  # noqa: SLF001


def add_resources(server: MCPServer[Any]) -> None:
    """A text, bytes, a template and one to follow."""

    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """A picture."""
        return PNG

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def template(id: str) -> str:  # noqa: A002
        """What its address names."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """One to follow."""
        return "Watched resource content"


def add_prompts(server: MCPServer[Any]) -> None:
    """Prompts of every kind of content."""

    @server.prompt()
    async def test_simple_prompt() -> str:
        """A text."""
        return "This is a simple prompt for testing."

    @server.prompt()
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A text with two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:
        """A resource and a text."""
        resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    async def test_prompt_with_image() -> list[Message]:
        """A picture and a text."""
        return [UserMessage(PICTURE), UserMessage("Please analyze the image above.")]


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    """A resource in a result."""
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))
