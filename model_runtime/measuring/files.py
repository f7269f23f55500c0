"""Measure and compare the files of pictures. Every number is in pixels of the upright picture in the file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image

from model_runtime.measuring.comparison import compare
from model_runtime.measuring.difference import find_difference, heat_map
from model_runtime.measuring.elements import find_elements
from model_runtime.measuring.palette import measure_palette
from model_runtime.measuring.regions import Pixels
from model_runtime.measuring.results import MEASURED_PIXELS, Change, Comparison, Measurement, Transparency
from model_runtime.media.images import alpha_channel, decode_image
from model_runtime.media.types import ImageData, PixelBox

MAX_ASPECT_STEP = 0.01
"""Pictures whose aspect ratios differ by less show the same in two densities."""


def measure_file(source: BinaryIO, *, param: str, text_boxes: Sequence[PixelBox] = ()) -> Measurement:
    """Measure the first frame of an image file. `text_boxes` are lines of text that were read in it.

    Raises:
        InvalidMedia: the file is too large, damaged, or not an image.
    """
    image = decode_image(source, param=param, max_pixels=MEASURED_PIXELS)
    pixels, scale = _pixels(image), image.file_size[0] / image.width
    elements = find_elements(pixels, [_scaled(box, 1 / scale) for box in text_boxes])
    drawn = {color for element in elements for color in (element.color, element.border) if color}
    return Measurement(
        *image.file_size,
        measure_palette(pixels, drawn),
        tuple(replace(element, box=_scaled(element.box, scale)) for element in elements),
        _transparency(source, param),
        scale,
    )


def compare_files(first: BinaryIO, second: BinaryIO, heat: BinaryIO, *, params: tuple[str, str]) -> Comparison:
    """Compare two image files and write a PNG of where they differ to `heat`.

    The second is resized to the first if their aspect ratios are the same; else the upper left part that both have is
    compared. `params` name the parameters in errors.

    Raises:
        InvalidMedia: a file is too large, damaged, or not an image.
        OSError: `heat` cannot be written.
    """
    one, other = (
        decode_image(source, param=param, max_pixels=MEASURED_PIXELS)
        for source, param in zip((first, second), params, strict=True)
    )
    before, after = _pixels(one), _pixels(other)
    is_resized = _is_same_aspect(one, other) and before.shape != after.shape
    if is_resized:
        size = (one.width, one.height)
        after = np.asarray(Image.fromarray(after).resize(size, Image.Resampling.LANCZOS))
    height, width = min(len(before), len(after)), min(before.shape[1], after.shape[1])
    before, after = before[:height, :width], after[:height, :width]
    difference = find_difference(before, after)
    score, changes = compare(before, after, difference)
    heat_map(before, after, difference).save(heat, "PNG")
    scale = one.file_size[0] / one.width
    compared = (min(round(width * scale), one.file_size[0]), min(round(height * scale), one.file_size[1]))
    share = round(float(difference.mask.mean()), 4)
    scaled = tuple(_scaled_change(change, scale) for change in changes)
    return Comparison(one.file_size, other.file_size, compared, score, share, scaled, difference.is_noisy, is_resized)


def _pixels(image: ImageData) -> Pixels:
    return np.frombuffer(image.rgb, np.uint8).reshape(image.height, image.width, 3)


def _is_same_aspect(first: ImageData, second: ImageData) -> bool:
    (width, height), (other_width, other_height) = first.file_size, second.file_size
    return abs(width * other_height / (height * other_width) - 1) <= MAX_ASPECT_STEP


def _scaled(box: PixelBox, scale: float) -> PixelBox:
    left, top = round(box[0] * scale), round(box[1] * scale)
    right, bottom = round((box[0] + box[2]) * scale), round((box[1] + box[3]) * scale)
    return left, top, right - left, bottom - top


def _scaled_change(change: Change, scale: float) -> Change:
    before, after = (box and _scaled(box, scale) for box in (change.before, change.after))
    return replace(change, before=before, after=after)


def _transparency(source: BinaryIO, param: str) -> Transparency | None:
    alpha = alpha_channel(source, param=param)
    if alpha is None:
        return None
    counts, total = alpha.histogram(), alpha.width * alpha.height
    edges = alpha.getbbox()
    content = (edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]) if edges else None
    return Transparency(round(counts[0] / total, 4), round(sum(counts[1:255]) / total, 4), content)
