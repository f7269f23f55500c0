"""regenerate: draw a generated image again, with changes."""

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.argument_guesses import understand_arguments
from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.media_inputs import open_image
from mcp_server.calls.provenance import read_provenance_of
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import GenerateResult
from mcp_server.calls.results import add_notes
from mcp_server.files.access import ClientFiles
from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_TOOL_META
from model_runtime.errors import InvalidInput
from model_runtime.media.provenance import Provenance


def add_regenerate(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, uri: str) -> ClientFiles:
        return await app.find_files(ctx, [uri])

    @tool(server, title="Draw an image again", meta=VIEWER_TOOL_META, destructive=True)
    async def regenerate(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        uri: Annotated[str, Field(description="The image: senses:// uri or path")],
        changes: Annotated[
            dict[str, Any], Field(description='Arguments of generate_image, e.g. {"seed": 8} for a variation')
        ] = {},  # noqa: B006
    ) -> Annotated[CallToolResult, GenerateResult]:
        """Draw a generated image again from the prompt, model, seed, steps and size in its metadata, with changes."""
        understood = understand_arguments(changes, sdk_compat.argument_schema(server, "generate_image"))
        with await open_image(files, uri, "uri") as file:
            provenance = await read_provenance_of(file)
        arguments = arguments_of(provenance, uri) | understood.arguments
        if "strength" in arguments and "image" not in arguments:
            raise InvalidInput(
                f'{uri} was drawn from another picture, which it does not hold. Pass changes={{"image": PATH}} with it.',
            )
        result = await server.call_tool("generate_image", arguments, ctx)
        if isinstance(result, InputRequiredResult):  # this call has a question of its own, and the SDK allows one only
            raise InvalidInput(f"The user has to be asked first. Call generate_image with {arguments}.")
        return add_notes(result, understood.notes)


def arguments_of(provenance: Provenance | None, uri: str) -> dict[str, Any]:
    """Return the arguments of generate_image that draw a picture again.

    Raises:
        InvalidInput: the picture does not say what it was drawn from.
    """
    if provenance is None:
        raise InvalidInput(
            f"{uri} does not say what it was drawn from: Senses did not draw it, another program saved it again, or "
            "images.provenance was off. Call generate_image with a prompt.",
            code="no_provenance",
        )
    sizes = {"width": provenance.width, "height": provenance.height} if provenance.width else {}
    strength = {} if provenance.strength is None else {"strength": provenance.strength}
    names = ("prompt", "model", "seed", "steps")
    return {name: getattr(provenance, name) for name in names} | sizes | strength
