"""How Qwen's processor brings a picture to the network: its size, its patches, their order."""

import math

import numpy as np
from PIL import Image

PATCH = 14
MERGE = 2
FACTOR = PATCH * MERGE
"""Pixels of one image token's side."""
MIN_PIXELS = 112 * 112
MAX_PIXELS = 140 * 140
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def resized(width: int, height: int) -> tuple[int, int]:
    """Say to which size Qwen's processor brings a picture."""
    wide, high = round(width / FACTOR) * FACTOR, round(height / FACTOR) * FACTOR
    if wide * high > MAX_PIXELS:
        ratio = math.sqrt(width * height / MAX_PIXELS)
        return tuple(max(FACTOR, math.floor(side / ratio / FACTOR) * FACTOR) for side in (width, height))  # type: ignore[return-value]
    if wide * high < MIN_PIXELS:
        ratio = math.sqrt(MIN_PIXELS / (width * height))
        return math.ceil(width * ratio / FACTOR) * FACTOR, math.ceil(height * ratio / FACTOR) * FACTOR
    return wide, high


def patches(image: Image.Image) -> np.ndarray:
    """Cut the resized picture into normalised patches, in the order in which two by two are joined."""
    width, height = resized(*image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    pixels = (pixels - MEAN) / DEVIATION
    cut = pixels.reshape(height // FACTOR, MERGE, PATCH, width // FACTOR, MERGE, PATCH, 3)
    return cut.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * PATCH * PATCH)
