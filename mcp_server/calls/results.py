"""The results of tools: structured data that is complete on its own, then previews and links.

Clients differ: one shows its model only the structured data, another only the text, a third cuts everything over 1 MB.
The text block is therefore the structured data as JSON, media are given by path and URI, and `build_result` keeps every
result within `MAX_RESULT_BYTES` and `MAX_TEXT_TOKENS`.
"""

import base64
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent
from pydantic import BaseModel

from mcp_server.calls.fence import fenced

MAX_RESULT_BYTES = 700_000
"""The whole result as JSON; Claude Desktop refuses 1 MiB."""
MAX_TEXT_TOKENS = 16_000
"""The text that the client's model reads; Claude Code warns at 10 000 tokens and refuses 25 000."""
BYTES_PER_TOKEN = 3
"""English has about 4 UTF-8 bytes per token, Korean and Japanese about 3."""
MAX_TEXT_BYTES = MAX_TEXT_TOKENS * BYTES_PER_TOKEN
LONG_TEXT_META = {"anthropic/maxResultSizeChars": 200_000}
"""The `_meta` of tools that return long texts: Claude Code takes so many characters from them."""
LONG_TEXT_BYTES = 180_000
"""The text that such a tool returns to a client that reads this."""
CLIENTS_OF_LONG_TEXTS = frozenset({"claude-code"})
PREVIEW_SIDE_PX = 768
"""The longer side of the preview of a single image."""
MULTI_PREVIEW_SIDE_PX = 512
"""The longer side of each preview of two to four images."""
FULL_PREVIEW_SIDE_PX = 4096
MAX_WARNINGS = 8
RESERVED_BYTES = 2_000
"""A margin for the JSON around the previews."""
RESERVED_TEXT_BYTES = 3_000
"""A margin of the text for the fence around what media say, and for `MAX_NOTES`."""
MAX_NOTES = 4
"""Warnings about the arguments of a call, each at most 200 characters."""

MakePreview = Callable[[bytes, int, int], tuple[bytes, int, int]]
"""make_preview(png, max_side, max_bytes): a JPEG of at most `max_side` pixels and, if possible, `max_bytes`; its width
and height."""


def build_result(
    result: BaseModel,
    *,
    links: Sequence[ResourceLink] = (),
    pngs: Sequence[bytes] = (),
    make_preview: MakePreview | None = None,
    full: bool = False,
    sound: bytes = b"",
    sound_type: str = "audio/wav",
    max_text_bytes: int = MAX_TEXT_BYTES,
) -> CallToolResult:
    """Build the result of a tool within `MAX_RESULT_BYTES`: text first, then the largest previews that fit.

    The text as JSON has at most `max_text_bytes`. With `full` the previews have the size of their images if they fit.
    `sound` is included whole if it fits.
    """
    data = _fit_text(_limit_warnings(result.model_dump(mode="json", exclude_none=True)), max_text_bytes)
    data = fenced(data, getattr(result, "media_fields", ()))
    blocks: list[ContentBlock] = [*links]
    if sound:
        with_sound = [*blocks, _audio_block(sound, sound_type)]
        blocks = with_sound if _size_bytes(_call_tool_result(data, with_sound)) <= MAX_RESULT_BYTES else blocks
    previews: list[ContentBlock] = []
    if make_preview and pngs:
        budget_bytes = MAX_RESULT_BYTES - _size_bytes(_call_tool_result(data, blocks)) - RESERVED_BYTES
        previews, downscaled = _previews(pngs, make_preview, budget_bytes, full=full)
        if full and downscaled:
            data["preview_downscaled"] = True
    return _call_tool_result(data, [*previews, *blocks])


def max_text_bytes_of(client: str) -> int:
    """Return how much text a tool with `LONG_TEXT_META` may return to the client of this name."""
    return LONG_TEXT_BYTES if client in CLIENTS_OF_LONG_TEXTS else MAX_TEXT_BYTES


def add_notes(result: CallToolResult, notes: Sequence[str]) -> CallToolResult:
    """Return a built result with notes about the arguments of its call, as its first warnings."""
    data = result.structured_content
    if not notes or data is None:
        return result
    warnings = [*(note[:200] for note in notes[:MAX_NOTES]), *data.get("warnings", ())]
    return _call_tool_result(data | {"warnings": warnings}, result.content[1:])


def estimate_tokens(text: str) -> int:
    """Return a high estimate of the tokens in `text`."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _call_tool_result(data: dict[str, Any], blocks: Sequence[ContentBlock]) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=_compact_json(data)), *blocks], structured_content=data)


def _size_bytes(result: CallToolResult) -> int:
    return len(result.model_dump_json(by_alias=True, exclude_none=True).encode())


def _compact_json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _previews(
    pngs: Sequence[bytes], make_preview: MakePreview, budget_bytes: int, *, full: bool
) -> tuple[list[ContentBlock], bool]:
    """Return the previews that fit an equal share of `budget_bytes`, and whether any is missing or downscaled."""
    bytes_each = budget_bytes // len(pngs) // 4 * 3 - 300  # base64 turns 3 bytes into 4; 300 for the block's JSON
    side_px = FULL_PREVIEW_SIDE_PX if full else PREVIEW_SIDE_PX if len(pngs) == 1 else MULTI_PREVIEW_SIDE_PX
    previews = [make_preview(png, side_px, bytes_each) for png in pngs]
    # width and height are the first fields of the IHDR chunk (PNG specification, 11.2.1)
    any_downscaled = any(
        struct.pack(">II", width, height) != png[16:24] for png, (_, width, height) in zip(pngs, previews, strict=True)
    )
    fitting = [jpeg for jpeg, _, _ in previews if len(jpeg) <= bytes_each]
    return [_image_block(jpeg) for jpeg in fitting], any_downscaled or len(fitting) < len(pngs)


def _image_block(jpeg: bytes) -> ContentBlock:
    return ImageContent(data=base64.b64encode(jpeg).decode("ascii"), mime_type="image/jpeg")


def _audio_block(sound: bytes, mime_type: str) -> ContentBlock:
    return AudioContent(data=base64.b64encode(sound).decode("ascii"), mime_type=mime_type)


def _limit_warnings(data: dict[str, Any]) -> dict[str, Any]:
    if not data.get("warnings"):
        return {key: value for key, value in data.items() if key != "warnings"}
    warnings = data["warnings"][:MAX_WARNINGS]
    return data | {"warnings": [text if len(text) <= 300 else text[:299] + "…" for text in warnings]}


def _fit_text(data: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Drop lists, then the end of the text, until the rest fits.

    `transcribe` has chosen as many segments as fit, and says how to read the others.
    """
    if _fits(data, max_bytes):
        return data
    for part in ("segments", "text_in_image", "lines"):
        if part in data:
            data = {key: value for key, value in data.items() if key != part} | {"truncated": True}
            if _fits(data, max_bytes):
                return data
    return _truncate_to_fit(data | {"truncated": True} if "text" in data else data, max_bytes)


def _truncate_to_fit(data: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Cut every string to one length, the longest with which the whole fits."""
    shortest, longest = 0, max_bytes
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        fits = _fits(_truncate_strings(data, middle), max_bytes)
        shortest, longest = (middle, longest) if fits else (shortest, middle - 1)
    shortened: dict[str, Any] = _truncate_strings(data, shortest)
    return shortened


def _truncate_strings(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars else value[:chars] + "…"
    if isinstance(value, dict):
        return {key: _truncate_strings(item, chars) for key, item in value.items()}
    if isinstance(value, list):
        return [_truncate_strings(item, chars) for item in value]
    return value


def _fits(data: dict[str, Any], max_bytes: int) -> bool:
    return len(_compact_json(data).encode("utf-8", "replace")) <= max_bytes - RESERVED_TEXT_BYTES
