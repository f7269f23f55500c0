"""compare_images: what differs between two images, in words, boxes and a heat map."""

import time
from typing import Annotated, Any

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult, ResourceLink
from pydantic import Field

from mcp_server.calls.context import AppContext, ToolContext, result_link
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.layout_view import comparison_warnings, show_comparison
from mcp_server.calls.media_inputs import open_image
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import CompareResult
from mcp_server.calls.results import build_result
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, NothingSaved
from mcp_server.files.client import ClientConnection
from mcp_server.tools.measure_image import WAIT_AS_LONG_AS_POSSIBLE, MaxTokensArgument
from model_runtime.decoding.measurer import ImageMeasurer
from model_runtime.errors import InvalidMedia


def add_compare_images(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, a: str, b: str) -> ClientFiles:
        return await app.find_files(ctx, [a, b])

    @tool(server, title="Compare two images")
    async def compare_images(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        a: Annotated[str, Field(description="The design or the earlier screenshot")],
        b: Annotated[str, Field(description="The rendering")],
        max_tokens: MaxTokensArgument = 4000,
    ) -> Annotated[CallToolResult, CompareResult]:
        """Visual diff of two screenshots (pixel diff, visual regression): score, what moved, is missing, added, resized,
        recoloured or retyped, with boxes in pixels of a, and a heat map. To match a design: render, compare, fix, repeat."""

        async def compare(job: ToolJob) -> CallToolResult:
            started = time.monotonic()
            with (
                await open_image(files, a, "a") as first,
                await open_image(files, b, "b") as second,
            ):
                try:
                    compared, png = await ImageMeasurer(app.service.media).compare(first, second, params=("a", "b"))
                except InvalidMedia as error:
                    param = error.param or ""
                    raise InvalidMedia(f"{param}: {error.message}", param=param, code=error.code) from error
            fields, links = await anyio.to_thread.run_sync(_save, app, png)
            fields["warnings"] = [*files.notes, *comparison_warnings(compared), *fields["warnings"]]
            fields["seconds"] = round(time.monotonic() - started, 3)
            return build_result(show_comparison(compared, max_tokens, fields), links=links)

        return await app.run_job(ctx, "compare_images", WAIT_AS_LONG_AS_POSSIBLE, compare, files)


def _save(app: AppContext, png: bytes) -> tuple[dict[str, Any], list[ResourceLink]]:
    """Store the heat map; return the fields of the result and the link. Blocks on the disk."""
    try:
        artifact = app.artifacts.add(ArtifactKind.IMAGES, png)
    except NothingSaved as error:
        return {"warnings": [f"There is no heat map. {error.message}"]}, []
    fields = app.artifact_fields(artifact, artifact.path)
    fields["heat_map"] = fields.pop("path")
    return fields | {"warnings": app.artifacts.warnings_about(artifact.path)}, [result_link(artifact)]
