"""measure_image: colours, boxes, gaps and lines of text of an image, in pixels."""

import math
import time
from typing import Annotated, BinaryIO

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.folder_consent import consented_files
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.layout_view import show_measurement
from mcp_server.calls.media_inputs import open_image
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import MeasureResult
from mcp_server.calls.results import build_result
from mcp_server.calls.text_in_image import TextInImage, read_text
from mcp_server.files.access import ClientFiles
from mcp_server.files.client import ClientConnection
from model_runtime.catalog.builtin_models import OCR_MODEL
from model_runtime.decoding.measurer import ImageMeasurer
from model_runtime.measuring.results import Measurement

WAIT_AS_LONG_AS_POSSIBLE = -1
MAX_READ_LINES = 400
"""Lines whose places go to the measuring process."""
MaxTokensArgument = Annotated[int, Field(ge=500, le=15_000, description="Most tokens of the result")]


def add_measure_image(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    async def find_files(ctx: ToolContext, image: str) -> ClientFiles:
        return await app.find_files(ctx, [image])

    @tool(server, title="Measure an image", read_only=True)
    async def measure_image(
        ctx: ToolContext,
        files: Annotated[ClientFiles, consented_files(app, find_files)],
        image: str,
        max_tokens: MaxTokensArgument = 4000,
    ) -> Annotated[CallToolResult, MeasureResult]:
        """Measure the layout of a screenshot, mockup or icon exactly, to write HTML/CSS from: colour palette as hex, boxes,
        padding, spacing and gaps in pixels, lines of text with font size and colour, transparency. No model needed."""

        async def measure(job: ToolJob) -> CallToolResult:
            started = time.monotonic()
            with await open_image(files, image, "image") as file:
                reading = await _read(app, file, job)
                boxes = [line.box for line in reading.lines]
                measurer = ImageMeasurer(app.service.media)
                measured = await measurer.measure(file, param="image", text_boxes=boxes)
            fields = {
                "model": OCR_MODEL.name if reading.lines else None,
                "seconds": round(time.monotonic() - started, 3),
                "warnings": [*files.notes, *reading.warnings, *_warnings(measured)],
            }
            return await anyio.to_thread.run_sync(
                lambda: build_result(show_measurement(measured, reading.lines, max_tokens, fields))
            )

        return await app.run_job(ctx, "measure_image", WAIT_AS_LONG_AS_POSSIBLE, measure, files)


async def _read(app: AppContext, file: BinaryIO, job: ToolJob) -> TextInImage:
    """Return the lines of text, none where the reader is missing."""
    reader = app.service.model_info(OCR_MODEL.name)
    if reader is None or not reader.present:
        return TextInImage([], (f"Texts are not read: {OCR_MODEL.name} is missing.",))
    return await read_text(app, await app.service.media.decode_image(file, param="image"), job, MAX_READ_LINES)


def _warnings(measured: Measurement) -> list[str]:
    if measured.scale <= 1:
        return []
    size = f"The image was measured at 1/{measured.scale:.1f} of its size"
    return [f"{size}: boxes are exact within {math.ceil(measured.scale)} pixels. Crop it to measure a part exactly."]
