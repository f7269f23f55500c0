"""Moondream2's tiling: one global crop of the whole picture, and overlapping local crops at a finer scale.

The features of the local crops are stitched together and average-pooled to the size of the global ones. mlx-vlm tiles
differently from the training; this follows image_crops.py and vision.py of the reference implementation,
https://github.com/vikhyat/moondream.
"""

import math
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from PIL import Image

from model_runtime.media.types import ImageData


@dataclass(frozen=True, slots=True)
class CropConfig:
    """Sizes of the vision tower; `crop_size` and `patch_size` are sides in pixels, `overlap_margin` is in patches."""

    crop_size: int = 378
    patch_size: int = 14
    overlap_margin: int = 4
    max_crops: int = 12

    @property
    def patches_per_side(self) -> int:
        """Patches along one side of a crop."""
        return self.crop_size // self.patch_size

    @property
    def stride_pixels(self) -> int:
        """Pixels from one local crop to the next."""
        return (self.patches_per_side - 2 * self.overlap_margin) * self.patch_size

    @property
    def margin_pixels(self) -> int:
        """Pixels of both margins together."""
        return 2 * self.overlap_margin * self.patch_size


@dataclass(frozen=True, slots=True)
class OverlapCrops:
    """The global crop, then the local crops row by row: `pixels` is uint8 (crops, crop_size, crop_size, 3).

    `rows` and `columns` count local crops; with one row and one column, there are none.
    """

    pixels: np.ndarray
    rows: int
    columns: int


def select_tiling(height: int, width: int, config: CropConfig) -> tuple[int, int]:
    """Return rows and columns of local crops for a picture of this size in pixels, at most `max_crops` in all."""
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
    """Return the crops of a picture."""
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    rows, columns = select_tiling(picture.height, picture.width, config)
    size, stride, margin = config.crop_size, config.stride_pixels, config.margin_pixels
    global_crop = _resize(image, size, size)
    if rows == columns == 1:  # a single local crop would equal the global one
        return OverlapCrops(global_crop[None], 1, 1)
    resized = _resize(image, columns * stride + margin, rows * stride + margin)
    corners = [(row * stride, column * stride) for row in range(rows) for column in range(columns)]
    local_crops = [resized[top : top + size, left : left + size] for top, left in corners]
    return OverlapCrops(np.stack([global_crop, *local_crops]), rows, columns)


def merge_crop_features(features: mx.array, crops: OverlapCrops, config: CropConfig) -> mx.array:
    """Merge features (crops, patches, width) into (patches, 2 * width): global, then pooled local features."""
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


def _stitch_row(local_features: mx.array, row: int, crops: OverlapCrops, config: CropConfig) -> mx.array:
    """Concatenate (columns, patches_per_side, patches_per_side, width) side by side, without overlapping margins."""
    top, bottom = _span_without_margins(row, crops.rows, config)
    spans = [_span_without_margins(column, crops.columns, config) for column in range(crops.columns)]
    return mx.concatenate(
        [local_features[column, top:bottom, left:right] for column, (left, right) in enumerate(spans)], axis=1
    )


def _span_without_margins(index: int, count: int, config: CropConfig) -> tuple[int, int]:
    start = config.overlap_margin if index > 0 else 0
    end_margin = config.overlap_margin if index < count - 1 else 0
    return start, config.patches_per_side - end_margin


def _average_pool_matrix(size: int, parts: int) -> mx.array:
    """Return the float32 matrix (parts, size) of PyTorch's adaptive_avg_pool1d from `size` to `parts` values."""
    weights = np.zeros((parts, size), np.float32)
    for part in range(parts):
        start, end = part * size // parts, math.ceil((part + 1) * size / parts)
        weights[part, start:end] = 1 / (end - start)
    return mx.array(weights)


def _resize(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
