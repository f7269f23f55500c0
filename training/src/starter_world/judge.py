"""Say by plain computer vision what a picture shows: contours and colours, none of our models.

Every region that differs from the page is one thing. Its colour is the nearest ink, its shape the one whose outline
covers it best, its extent the longer side of its box. A region that no outline covers well is no shape at all.
"""

import itertools
import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from starter_world import scenes
from starter_world.grammar import SHAPES, Scene
from starter_world.scenes import INKS

Mask = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.float64]

FRAME = 72
"""Regions are compared in a frame of this side, brought to the same area around their centre of gravity."""
AREA = 900
LEAST_OVERLAP = 0.7
"""Below this a region is a smear, and no shape."""
LEAST_SHARE = 0.003
"""Regions smaller than this share of the picture are no things."""
SEEN = 40.0
"""A pixel belongs to a thing where its colour is this far from the page's."""
FINER = 3
SIZES = {"small": (0.0, 0.28), "": (0.3, 0.56), "large": (0.58, 1.0)}
CONTRAST = 1.6
"""A small and a large thing in one picture differ by at least this; two of no size differ by less."""


@dataclass(frozen=True, slots=True)
class Region:
    """One thing as seen: its centre and longer side are shares of the picture's side."""

    color: str
    shape: str
    x: float
    y: float
    extent: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What of a scene the picture shows."""

    page: bool
    count: bool
    color: bool
    shape: bool
    size: bool
    place: bool

    @property
    def right(self) -> bool:
        """Tell whether all of it is there."""
        return all(getattr(self, field.name) for field in fields(self))


def look(image: Image.Image) -> tuple[str, list[Region]]:
    """Return the colour of the page and the things on it."""
    levels = np.asarray(image.convert("RGB"), float)
    border = np.concatenate([levels[:2].reshape(-1, 3), levels[-2:].reshape(-1, 3), levels[:, 0], levels[:, -1]])
    behind = np.median(border, 0)
    mask = np.sqrt(((levels - behind) ** 2).sum(-1)) > SEEN
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    found = [labels == number for number in range(1, count + 1)]
    return _ink(behind), [_region(levels, one, behind) for one in found if one.mean() >= LEAST_SHARE]


def judge(scene: Scene, image: Image.Image) -> Verdict:
    """Compare a picture with the scene it should show."""
    page, regions = look(image)
    scene = scene.turned()
    is_column = scene.relation == "above"
    regions = sorted(regions, key=lambda region: region.y if is_column else region.x)
    if len(regions) != len(scene.things):
        return Verdict(page == scenes.page(scene), False, False, False, False, False)
    pairs = list(zip(scene.things, regions, strict=True))
    return Verdict(
        page == scenes.page(scene),
        True,
        all(thing.color == region.color for thing, region in pairs),
        all(thing.shape == region.shape for thing, region in pairs),
        _sizes_fit(scene, [region.extent for region in regions]),
        _places_fit(regions, is_column=is_column),
    )


def _region(levels: Levels, mask: Mask, behind: Levels) -> Region:
    core = ndimage.binary_erosion(mask, iterations=2)
    color = np.median(levels[core if core.sum() > 8 else mask], 0)
    body = _body(levels, mask, behind, color)
    ys, xs = np.nonzero(body)
    height, width = body.shape
    return Region(
        _ink(color),
        _shape(body),
        float(xs.max() + xs.min() + 1) / 2 / width,
        float(ys.max() + ys.min() + 1) / 2 / height,
        float(max(np.ptp(xs) + 1, np.ptp(ys) + 1)) / max(width, height),
    )


def _body(levels: Levels, mask: Mask, behind: Levels, color: Levels) -> Mask:
    """Cut a thing out, `FINER` times enlarged, half way between its colour and the page's."""
    toward = color - behind
    share = ((levels - behind) @ toward / float(toward @ toward)).clip(0, 1)
    share[~ndimage.binary_dilation(mask, np.ones((3, 3)), 2)] = 0
    fine = Image.fromarray((255 * share).astype(np.uint8))
    size = (fine.width * FINER, fine.height * FINER)
    return np.asarray(fine.resize(size, Image.Resampling.BICUBIC)) > 127


def _ink(color: Levels) -> str:
    return min(INKS, key=lambda name: float(((np.array(INKS[name]) - color) ** 2).sum()))


def _shape(mask: Mask) -> str:
    seen = _framed(mask)
    overlap = {shape: float((seen & model).sum() / (seen | model).sum()) for shape, model in _MODELS.items()}
    best = max(overlap, key=lambda shape: overlap[shape])
    return best if overlap[best] >= LEAST_OVERLAP else ""


def _framed(mask: Mask) -> Mask:
    """Bring a region to `AREA` pixels, its centre of gravity in the middle of the frame."""
    step = math.sqrt(float(mask.sum()) / AREA)
    center = np.array(ndimage.center_of_mass(mask))
    start = center - step * (FRAME - 1) / 2
    shown = ndimage.affine_transform(mask.astype(float), [step, step], start, (FRAME, FRAME), order=1)
    return np.asarray(shown > 0.5)


def _model(shape: str) -> Mask:
    side = 4 * FRAME
    image = Image.new("L", (side * 2, side * 2))
    pen = ImageDraw.Draw(image)
    pen.polygon([(side + x * side, side + y * side) for x, y in scenes.outline(shape)], fill=255)
    if shape == "ring":
        hole = scenes.HOLE * side
        pen.ellipse((side - hole, side - hole, side + hole, side + hole), fill=0)
    return _framed(np.asarray(image) > 127)


_MODELS = {shape: _model(shape) for shape in SHAPES}


def _sizes_fit(scene: Scene, extents: list[float]) -> bool:
    if len(extents) == 1:
        low, high = SIZES[scene.things[0].size]
        return low < extents[0] < high
    sizes = [thing.size for thing in scene.things]
    if sorted(sizes) == ["large", "small"]:
        return extents[sizes.index("large")] > CONTRAST * extents[sizes.index("small")]
    return max(extents) < CONTRAST * min(extents) if not any(sizes) else True


def _places_fit(regions: list[Region], *, is_column: bool) -> bool:
    """A single thing lies in the middle; several lie along a line that goes through it."""
    aside = [region.x if is_column else region.y for region in regions]
    along = [region.y if is_column else region.x for region in regions]
    steps = [after - before for before, after in itertools.pairwise(along)]
    middle = len(regions) > 1 or abs(along[0] - 0.5) < 0.1
    return middle and all(abs(place - 0.5) < 0.1 for place in aside) and all(step > 0.2 for step in steps)
