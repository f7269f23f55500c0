"""Colours as people write them and as people see them apart."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ under D65: IEC 61966-2-1."""
WHITE = SRGB_TO_XYZ.sum(axis=1)
LINEAR_BELOW, LAB_LINEAR_BELOW = 0.04045, (6 / 29) ** 3


def to_hex(color: Sequence[int] | NDArray[np.uint8]) -> str:
    """Return red, green and blue of 0..255 as #rrggbb."""
    red, green, blue = (int(channel) for channel in color)
    return f"#{red:02x}{green:02x}{blue:02x}"


def from_hex(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of #rrggbb."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def to_lab(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return colours of shape (…, 3) in CIE L*a*b* (CIE 15:2004, 8.2.1), in which ΔE is the distance."""
    share = colors.astype(np.float64) / 255
    linear = np.where(share <= LINEAR_BELOW, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    ratio = linear @ SRGB_TO_XYZ.T / WHITE
    root = np.where(ratio > LAB_LINEAR_BELOW, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@lru_cache(maxsize=10_000)
def delta_e(first: str, second: str) -> float:
    """Return the distance of two colours, ΔE*ab of 1976: below 2 few people see it."""
    one, other = to_lab(np.array([from_hex(first), from_hex(second)], np.uint8))
    return float(np.linalg.norm(one - other))
