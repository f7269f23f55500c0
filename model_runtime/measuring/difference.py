"""Where two pictures of one size differ, apart from the noise of lossy compression."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from model_runtime.measuring.regions import Pixels, step

MIN_STEP = 3
"""Levels of a channel that differ in pictures without noise."""
BLOCK = 16
MIN_NOISY_SHARE = 0.5
"""Where more of the blocks with content differ than this, small differences are noise."""
LUMA_STEP, BLURRED_LUMA_STEP, CHROMA_STEP = 30, 14, 10
"""The same in levels of luma, of luma averaged over 3 x 3 and of chroma averaged over 17 x 17 pixels: a JPEG of quality
90 stays below, `tests/layouts` measures by how much."""
LUMA_BLUR, CHROMA_BLUR = 1, 8

HEAT_FADE = 0.35
"""How much of the first picture is seen under the heat."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`mask` is where the pictures differ; `is_noisy` tells that small differences were taken for noise."""

    mask: NDArray[np.bool_]
    is_noisy: bool


def find_difference(first: Pixels, second: Pixels) -> Difference:
    """Compare two pictures of the same size."""
    steps = step(first, second)
    if not _is_noisy(first, steps):
        return Difference(steps >= MIN_STEP, is_noisy=False)
    one, other = (np.asarray(Image.fromarray(pixels).convert("YCbCr")) for pixels in (first, second))
    luma, chroma = (slice(0, 1), slice(1, 3))
    mask = _largest(one[..., luma], other[..., luma]) >= LUMA_STEP
    mask |= _largest(*(_blurred(part[..., luma], LUMA_BLUR) for part in (one, other))) >= BLURRED_LUMA_STEP
    mask |= _largest(*(_blurred(part[..., chroma], CHROMA_BLUR) for part in (one, other))) >= CHROMA_STEP
    return Difference(mask, is_noisy=True)


def heat_map(first: Pixels, second: Pixels, difference: Difference) -> Image.Image:
    """Draw where two pictures differ, red over the pale grey of the first one."""
    grey = Image.fromarray(first).convert("L").convert("RGB")
    pale = Image.blend(Image.new("RGB", grey.size, "white"), grey, HEAT_FADE)
    heat = np.where(difference.mask, np.maximum(step(first, second), 96), 0).astype(np.uint8)
    grown = Image.fromarray(heat).filter(ImageFilter.MaxFilter(3))
    return Image.composite(Image.new("RGB", grey.size, "red"), pale, grown)


def _is_noisy(first: Pixels, steps: NDArray[np.uint8]) -> bool:
    """Return whether most of what is drawn differs, be it by little."""
    content = np.zeros(steps.shape, bool)
    content[:, 1:] = step(first[:, 1:], first[:, :-1]) > 0
    has_content, differs = _in_blocks(content), _in_blocks(steps > 0)
    return bool(has_content.any() and differs[has_content].mean() > MIN_NOISY_SHARE)


def _in_blocks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = (np.arange(0, size, BLOCK) for size in mask.shape)
    blocks: NDArray[np.bool_] = np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1)
    return blocks


def _largest(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    largest: NDArray[np.uint8] = (np.maximum(first, second) - np.minimum(first, second)).max(axis=2)
    return largest


def _blurred(channels: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    images = [Image.fromarray(channels[..., index]) for index in range(channels.shape[2])]
    return np.stack([np.asarray(image.filter(ImageFilter.BoxBlur(radius))) for image in images], axis=2)
