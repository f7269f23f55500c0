"""Copies of a generated picture for a project: in another format, size or without its background, and sets of them."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mcp_server.calls.asset_sets import AssetFile, AssetSet
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageFormat

ICON_SUFFIX = ".ico"
PICTURE_FORMATS: dict[str, ImageFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """How a copy differs from its picture. A side of 0 follows from the other one, `max_bytes` 0 sets no limit."""

    width: int = 0
    height: int = 0
    transparent: bool = False
    max_bytes: int = 0
    keep_provenance: bool = True


def copy_picture(data: bytes, name: str, options: PictureOptions) -> tuple[bytes, dict[str, Any]]:
    """Return a copy in the format of `name`, and the fields that describe it. Imports Pillow; blocks.

    Raises:
        InvalidInput: the picture cannot be made transparent, or so small.
    """
    from model_runtime.media.image_size_limit import encode_within_bytes
    from model_runtime.media.picture_files import encode_icon, open_picture, resize, resize_warnings

    suffix = PurePath(name).suffix.lower()
    if options.transparent and PICTURE_FORMATS.get(suffix) == "jpeg":
        raise InvalidInput(f"{name} cannot be transparent: choose .png, .webp or .ico.")
    original = open_picture(data, transparent=options.transparent, keep_provenance=options.keep_provenance)
    if suffix == ICON_SUFFIX:
        icon, sides = encode_icon(original, options.width or options.height)
        warnings = resize_warnings(original, resize(original, sides[-1], sides[-1]))
        return icon, {"width": sides[-1], "height": sides[-1], "sides": sides, "warnings": warnings}
    resized = resize(original, options.width, options.height)
    encoded = encode_within_bytes(resized, PICTURE_FORMATS[suffix], options.max_bytes)
    sides_and_quality = {"width": encoded.width, "height": encoded.height, "quality": encoded.quality}
    return encoded.data, sides_and_quality | {"warnings": resize_warnings(original, resized)}


def render_set(data: bytes, assets: AssetSet, options: PictureOptions) -> tuple[dict[str, bytes], list[str]]:
    """Return the content of every file of a set by its name, and warnings. Imports Pillow; blocks.

    Raises:
        InvalidInput: the picture cannot be made transparent.
    """
    from model_runtime.media.image_encoding import encode_pillow
    from model_runtime.media.picture_files import Picture, encode_icon, flatten, open_picture, resize, resize_warnings

    original = open_picture(data, transparent=options.transparent, keep_provenance=options.keep_provenance)

    def render(file: AssetFile) -> bytes:
        if file.name.endswith(ICON_SUFFIX):
            return encode_icon(original, file.width)[0]
        resized: Picture = resize(original, file.width, file.height)
        shown = flatten(resized) if file.is_opaque else resized
        image_format = PICTURE_FORMATS[PurePath(file.name).suffix]
        return encode_pillow(shown.image, image_format, provenance=shown.provenance)

    largest = max(assets.pictures, key=lambda file: file.width)
    warnings = resize_warnings(original, resize(original, largest.width, largest.height))
    rendered = {file.name: render(file) for file in assets.pictures}
    return rendered | {name: text.encode() for name, text in assets.texts.items()}, warnings
