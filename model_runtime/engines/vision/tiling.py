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

from model_runtime.media.types import Picture


@dataclass(frozen=True, slots=True)
class Eye:
    """Sizes of the vision tower: windows of `side` pixels in patches of `patch`, sharing `margin` patches."""

    side: int = 378
    patch: int = 14
    margin: int = 4
    most_windows: int = 12

    @property
    def patches(self) -> int:
        """Patches along one side of a window."""
        return self.side // self.patch

    @property
    def step(self) -> int:
        """Pixels from one window to the next."""
        return (self.patches - 2 * self.margin) * self.patch

    @property
    def rim(self) -> int:
        """Pixels of both margins together."""
        return 2 * self.margin * self.patch


@dataclass(frozen=True, slots=True)
class Crops:
    """Pictures of `side` x `side` pixels, (1 + windows) x side x side x 3 bytes, and how many rows and columns."""

    pixels: np.ndarray
    rows: int
    columns: int


def tiling(height: int, width: int, eye: Eye) -> tuple[int, int]:
    """Return rows and columns of windows for a picture: enough to cover it, of its shape, and not too many."""
    height, width = height - eye.rim, width - eye.rim
    if height <= eye.step or width <= eye.step:
        return 1, 1
    rows, columns = math.ceil(height / eye.step), math.ceil(width / eye.step)
    if rows * columns > eye.most_windows:
        ratio = math.sqrt(eye.most_windows / (rows * columns))
        return max(1, math.floor(rows * ratio)), max(1, math.floor(columns * ratio))
    rows = max(rows, math.floor(math.sqrt(eye.most_windows * height / width)))
    columns = max(columns, math.floor(math.sqrt(eye.most_windows * width / height)))
    if rows * columns > eye.most_windows:
        if columns > rows:
            columns = eye.most_windows // rows
        else:
            rows = eye.most_windows // columns
    return max(1, rows), max(1, columns)


def cut(picture: Picture, eye: Eye) -> Crops:
    """Cut a picture into the whole and its windows, row by row.

    A single window would show the same as the whole and is left out.
    """
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    rows, columns = tiling(picture.height, picture.width, eye)
    whole = _resized(image, eye.side, eye.side)
    if rows == columns == 1:
        return Crops(whole[None], 1, 1)
    large = _resized(image, columns * eye.step + eye.rim, rows * eye.step + eye.rim)
    corners = [(row * eye.step, column * eye.step) for row in range(rows) for column in range(columns)]
    windows = [large[top : top + eye.side, left : left + eye.side] for top, left in corners]
    return Crops(np.stack([whole, *windows]), rows, columns)


def join(features: mx.array, crops: Crops, eye: Eye) -> mx.array:
    """Put the features of all crops (crops x patches² x width) together: patches² x (whole, windows) x width.

    Returns patches² x 2 width: what the projection takes.
    """
    whole, windows = features[0], features[1:]
    if crops.rows == crops.columns == 1:
        return mx.concatenate([whole, whole], axis=-1)
    grid = windows.reshape(crops.rows, crops.columns, eye.patches, eye.patches, -1)
    stitched = mx.concatenate([_stitch_row(grid[row], row, crops, eye) for row in range(crops.rows)], axis=0)
    down, across = (_averages(side, eye.patches) for side in stitched.shape[:2])
    small = mx.einsum("ih,hwd,jw->ijd", down, stitched.astype(mx.float32), across)
    return mx.concatenate([whole, small.reshape(whole.shape).astype(whole.dtype)], axis=-1)


def _stitch_row(windows: mx.array, row: int, crops: Crops, eye: Eye) -> mx.array:
    """Lay one row of windows side by side, without the margins that neighbours cover."""
    top, bottom = _inner(row, crops.rows, eye)
    spans = [_inner(column, crops.columns, eye) for column in range(crops.columns)]
    return mx.concatenate(
        [windows[column, top:bottom, left:right] for column, (left, right) in enumerate(spans)], axis=1
    )


def _inner(place: int, places: int, eye: Eye) -> tuple[int, int]:
    return (eye.margin if place > 0 else 0), eye.patches - (eye.margin if place < places - 1 else 0)


def _averages(size: int, parts: int) -> mx.array:
    """Matrix (parts x size) that averages `size` numbers down as PyTorch's adaptive_avg_pool does."""
    weights = np.zeros((parts, size), np.float32)
    for part in range(parts):
        start, end = part * size // parts, math.ceil((part + 1) * size / parts)
        weights[part, start:end] = 1 / (end - start)
    return mx.array(weights)


def _resized(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
