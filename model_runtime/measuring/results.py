"""What was measured. Boxes are left, top, width and height in pixels of the picture, y down; colours are #rrggbb."""

from dataclasses import dataclass
from typing import Literal

from model_runtime.media.types import PixelBox

MEASURED_PIXELS = 6_000_000
"""A larger picture is shrunk to so many pixels: a screen of 2880 x 1800 is measured as it is."""
MEASURING_BYTES_PER_PIXEL = 100
"""Memory that labels, runs and masks take for each of them; `benchmarks/eyes.py` measures it."""

ElementKind = Literal["box", "text", "image"]
ChangeKind = Literal["moved", "resized", "recoloured", "retyped", "missing", "added", "changed"]


@dataclass(frozen=True, slots=True)
class PaletteColor:
    """A colour and the share of the pixels that have it, 0..1."""

    color: str
    share: float


@dataclass(frozen=True, slots=True)
class Element:
    """A visible part of a layout.

    `color` fills a box, writes a text, or is the most frequent one of an image. `background` is what a text or an image
    stands on. `parent` is the index of the smallest box around it, None for the page. `line` is the index of the line
    of text that it shows, if lines were given.
    """

    kind: ElementKind
    box: PixelBox
    color: str
    background: str = ""
    border: str = ""
    border_width: int = 0
    parent: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Transparency:
    """The alpha channel of a picture: shares of its pixels, and the box around those that are not transparent."""

    transparent_share: float
    translucent_share: float
    content: PixelBox | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured picture of `width` x `height` pixels. The page is the first element; parents come before their parts.

    `scale` is the pixels of the file for each measured one; more than 1 means that edges are exact only to so many.
    """

    width: int
    height: int
    palette: tuple[PaletteColor, ...]
    elements: tuple[Element, ...]
    transparency: Transparency | None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two pictures. `before` is None for what was added, `after` for what is missing.

    `color_before` and `color_after` are those of a recoloured element. `count` is how many parts share the change.
    """

    kind: ChangeKind
    element: ElementKind
    before: PixelBox | None
    after: PixelBox | None
    color_before: str = ""
    color_after: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two compared pictures. `score` is 1 for equal ones; `changed_share` is the share of the pixels that differ.

    Sizes are width and height of the files, `compared` that of the upper left part of the first that both have. Boxes are
    in pixels of the first. `is_noisy` tells that small differences everywhere were taken for those of compression, `is_resized` that the
    second was resized to the first.
    """

    first_size: tuple[int, int]
    second_size: tuple[int, int]
    compared: tuple[int, int]
    score: float
    changed_share: float
    changes: tuple[Change, ...]
    is_noisy: bool = False
    is_resized: bool = False
