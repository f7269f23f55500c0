"""How Moondream2 looks at a picture: once as a whole, and once in overlapping windows at a finer scale.

The windows' features are put together again and averaged down to the size of the whole. mlx-vlm cuts and averages
differently from what the model was trained on; this follows image_crops.py and vision.py of the reference
implementation, https://github.com/vikhyat/moondream.
"""

import math
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from PIL import Image

from model_runtime.media.types import ImageData


@dataclass(frozen=True, slots=True)
class CropConfig:
    """Sizes of the vision tower: windows of `crop_size` pixels in patches of `patch_size`, sharing `overlap_margin` patches."""

    crop_size: int = 378
    patch_size: int = 14
    overlap_margin: int = 4
    max_crops: int = 12

    @property
    def patches_per_side(self) -> int:
        """Patches along one side of a window."""
        return self.crop_size // self.patch_size

    @property
    def stride_pixels(self) -> int:
        """Pixels from one window to the next."""
        return (self.patches_per_side - 2 * self.overlap_margin) * self.patch_size

    @property
    def margin_pixels(self) -> int:
        """Pixels of both margins together."""
        return 2 * self.overlap_margin * self.patch_size


@dataclass(frozen=True, slots=True)
class OverlapCrops:
    """Pictures of `crop_size` x `crop_size` pixels, (1 + windows) x crop_size x crop_size x 3 bytes, and how many rows and columns."""

    pixels: np.ndarray
    rows: int
    columns: int


def select_tiling(height: int, width: int, config: CropConfig) -> tuple[int, int]:
    """Return rows and columns of windows for a picture: enough to cover it, of its shape, and not too many."""
    height, width = height - config.margin_pixels, width - config.margin_pixels
    if height <= config.stride_pixels or width <= config.stride_pixels:
        return 1, 1
    rows, columns = math.ceil(height / config.stride_pixels), math.ceil(width / config.stride_pixels)
    if rows * columns > config.max_crops:
        ratio = math.sqrt(config.max_crops / (rows * columns))
        return max(1, math.floor(rows * ratio)), max(1, math.floor(columns * ratio))
    rows = max(rows, math.floor(math.sqrt(config.max_crops * height / width)))
    columns = max(columns, math.floor(math.sqrt(config.max_crops * width / height)))
    if rows * columns > config.max_crops:
        if columns > rows:
            columns = config.max_crops // rows
        else:
            rows = config.max_crops // columns
    return max(1, rows), max(1, columns)


def overlap_crop_picture(picture: ImageData, config: CropConfig) -> OverlapCrops:
    """Cut a picture into the whole and its windows, row by row.

    A single window would show the same as the whole and is left out.
    """
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    rows, columns = select_tiling(picture.height, picture.width, config)
    global_crop = _resize(image, config.crop_size, config.crop_size)
    if rows == columns == 1:
        return OverlapCrops(global_crop[None], 1, 1)
    resized = _resize(
        image, columns * config.stride_pixels + config.margin_pixels, rows * config.stride_pixels + config.margin_pixels
    )
    corners = [
        (row * config.stride_pixels, column * config.stride_pixels) for row in range(rows) for column in range(columns)
    ]
    windows = [resized[top : top + config.crop_size, left : left + config.crop_size] for top, left in corners]
    return OverlapCrops(np.stack([global_crop, *windows]), rows, columns)


def merge_crop_features(features: mx.array, crops: OverlapCrops, config: CropConfig) -> mx.array:
    """Put the features of all crops (crops x patches² x width) together: patches² x (whole, windows) x width.

    Returns patches² x 2 width: what the projection takes.
    """
    global_features, local_features = features[0], features[1:]
    if crops.rows == crops.columns == 1:
        return mx.concatenate([global_features, global_features], axis=-1)
    grid = local_features.reshape(crops.rows, crops.columns, config.patches_per_side, config.patches_per_side, -1)
    stitched = mx.concatenate([_stitch_row(grid[row], row, crops, config) for row in range(crops.rows)], axis=0)
    pool_rows, pool_columns = (_average_pool_matrix(side, config.patches_per_side) for side in stitched.shape[:2])
    pooled = mx.einsum("ih,hwd,jw->ijd", pool_rows, stitched.astype(mx.float32), pool_columns)
    return mx.concatenate(
        [global_features, pooled.reshape(global_features.shape).astype(global_features.dtype)], axis=-1
    )


def _stitch_row(windows: mx.array, row: int, crops: OverlapCrops, config: CropConfig) -> mx.array:
    """Lay one row of windows side by side, without the margins that neighbours cover."""
    top, bottom = _span_without_margins(row, crops.rows, config)
    spans = [_span_without_margins(column, crops.columns, config) for column in range(crops.columns)]
    return mx.concatenate(
        [windows[column, top:bottom, left:right] for column, (left, right) in enumerate(spans)], axis=1
    )


def _span_without_margins(index: int, count: int, config: CropConfig) -> tuple[int, int]:
    return (config.overlap_margin if index > 0 else 0), config.patches_per_side - (
        config.overlap_margin if index < count - 1 else 0
    )


def _average_pool_matrix(size: int, parts: int) -> mx.array:
    """Matrix (parts x size) that averages `size` numbers down as PyTorch's adaptive_avg_pool does."""
    weights = np.zeros((parts, size), np.float32)
    for part in range(parts):
        start, end = part * size // parts, math.ceil((part + 1) * size / parts)
        weights[part, start:end] = 1 / (end - start)
    return mx.array(weights)


def _resize(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
