"""Draw one shape, two, three in a row, or several equal ones.

Every word of a caption is decidable from the picture: sizes, relations and places are drawn from bands with gaps between
them, so no picture lies on a border.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from senses_training.vision.canvas import Canvas, canvas, develop, painted, paper
from senses_training.vision.outlines import Point, outline
from senses_training.vision.palette import Color, backdrop, ink_on, other_color
from senses_training.vision.pictures import Mark, Picture
from senses_training.vision.reserve import NoDrawError, Split, position, size
from starter_world.grammar import SHAPES, Scene, Thing, is_held_out

Center = tuple[float, float]

RELATIONS = ("above", "left of")  # the uppermost or leftmost is named first
PAINTED = {Split.TRAINING: 0.22, Split.SCORING: 0.0}
APART = 1.1  # between the centres of counted things, in shapes


@dataclass(frozen=True, slots=True)
class Ground:
    """An empty canvas of a named colour."""

    frame: Canvas
    name: str
    rgb: Color


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape at its place: centre as shares of width and height, longer side as a share of the shorter side."""

    thing: Thing
    center: Center
    share: float

    def mark(self, frame: Canvas) -> Mark:
        """Say where the shape lies."""
        half_x, half_y = (self.share * frame.short / 2 / side for side in (frame.width, frame.height))
        x, y = self.center
        return Mark(
            self.thing.shape, self.thing.color, self.thing.size, (x - half_x, y - half_y, x + half_x, y + half_y)
        )

    def points(self, frame: Canvas, around: Sequence[Point]) -> list[Point]:
        """Bring an outline to its place on the drawing."""
        extent = self.share * frame.short * frame.scale
        x, y = self.center[0] * frame.width * frame.scale, self.center[1] * frame.height * frame.scale
        return [(x + across * extent, y + down * extent) for across, down in around]


def _ground(rng: random.Random, split: Split) -> Ground:
    return Ground(canvas(rng, split), *backdrop(rng, split))


def _thing(rng: random.Random, ground: Ground, word: str = "") -> Thing:
    return Thing(other_color(rng, ground.name), rng.choice(SHAPES), word)


def _check(split: Split, scene: Scene) -> Scene:
    """Keep the world's held-out sentences for scoring, and score on nothing else."""
    if is_held_out(str(scene)) != (split is Split.SCORING):
        raise NoDrawError(str(scene))
    return scene


def _picture(
    rng: random.Random, split: Split, ground: Ground, scene: Scene, centers: Sequence[Center], shares: Sequence[float]
) -> Picture:
    """Draw a scene."""
    placed = [Placed(*one) for one in zip(scene.things, centers, shares, strict=True)]
    image = develop(rng, _drawn(rng, ground, placed, alike=scene.is_counted), ground.frame)
    if rng.random() < PAINTED[split]:
        image = painted(rng, image)
    marks = tuple(item.mark(ground.frame) for item in placed)
    return Picture(image, ground.name, scene, centers=tuple(centers), marks=marks)


def _drawn(rng: random.Random, ground: Ground, placed: Sequence[Placed], *, alike: bool) -> Image.Image:
    frame, drawing = ground.frame, paper(rng, ground.frame, ground.rgb)
    pen = ImageDraw.Draw(drawing)
    looks = [(ink_on(rng, item.thing.color, ground.rgb), outline(rng, item.thing.shape)) for item in placed]
    for item, (fill, around) in zip(placed, looks[:1] * len(placed) if alike else looks, strict=True):
        points = item.points(frame, around)
        pen.polygon(points, fill=fill)
        if rng.random() < 0.07 and item.thing.shape != "ring":
            edge = tuple(round(level * 0.6) for level in fill)
            width = max(1, round(frame.scale * item.share * frame.short * 0.02))
            pen.line([*points, points[0]], fill=edge, width=width)
    return drawing


def _margins(frame: Canvas, share: float) -> tuple[float, float]:
    half = share * frame.short / 2
    return min(0.5, (half + 1) / frame.width), min(0.5, (half + 1) / frame.height)


# --- one -----------------------------------------------------------------------------------------------------------


def single(rng: random.Random, split: Split) -> Picture:
    """Draw one shape; it is called small below 0.22 of the shorter side and large above 0.62."""
    ground = _ground(rng, split)
    word, low, high = rng.choice((("", 0.3, 0.52), ("small", 0.14, 0.22), ("large", 0.62, 0.9)))
    share = size(rng, split, low, high)
    scene = _check(split, Scene((_thing(rng, ground, word),), background=ground.name))
    center = position(rng, split, *_margins(ground.frame, share))
    return _picture(rng, split, ground, scene, (center,), (share,))


# --- two -----------------------------------------------------------------------------------------------------------


def pair(rng: random.Random, split: Split) -> Picture:
    """Draw two shapes; they are called small and large where one is at least 1.9 times the other.

    The uppermost is named first, or the leftmost where they stand side by side. Equal things are counted instead.
    """
    ground = _ground(rng, split)
    shares, words = _pair_sizes(rng, split)
    first, second = (_thing(rng, ground, word) for word in words)
    if first == second:
        raise NoDrawError("two equal things")
    scene = _check(split, Scene((first, second), rng.choice(RELATIONS)))
    centers = _pair_centers(rng, split, ground.frame, scene.relation, shares)
    return _picture(rng, split, ground, scene, centers, shares)


def _pair_sizes(rng: random.Random, split: Split) -> tuple[tuple[float, float], tuple[str, str]]:
    if rng.random() < 0.5:
        share = size(rng, split, 0.18, 0.4)
        return (share, share * math.exp(rng.uniform(-0.18, 0.18))), ("", "")
    share = rng.uniform(0.15, 0.26)  # no cell of this band is reserved: these sizes are the same in both splits
    larger = min(0.6, share * rng.uniform(1.9, 2.8))
    if rng.random() < 0.5:
        return (share, larger), ("small", "large")
    return (larger, share), ("large", "small")


def _pair_centers(
    rng: random.Random, split: Split, frame: Canvas, relation: str, shares: tuple[float, float]
) -> tuple[Center, Center]:
    for _ in range(60):
        one = position(rng, split, *_margins(frame, shares[0]))
        two = position(rng, split, *_margins(frame, shares[1]))
        if _is_clear(frame, relation, one, two, (shares[0] + shares[1]) / 2):
            return one, two
    raise NoDrawError(relation)


def _is_clear(frame: Canvas, relation: str, one: Center, two: Center, touching: float) -> bool:
    """Tell whether one axis clearly decides the relation of two things that touch at a distance of `touching`."""
    across, down = (two[0] - one[0]) * frame.width, (two[1] - one[1]) * frame.height
    along, aside = (down, abs(across)) if relation == "above" else (across, abs(down))
    return along >= touching * frame.short * 1.08 and aside <= along * 0.5


# --- three in a row ------------------------------------------------------------------------------------------------


def triple(rng: random.Random, split: Split) -> Picture:
    """Draw three shapes of about one size in a row or a column, not all alike."""
    ground = _ground(rng, split)
    things = tuple(_thing(rng, ground) for _ in range(3))
    if len(set(things)) == 1:
        raise NoDrawError("three equal things")
    scene = _check(split, Scene(things, rng.choice(RELATIONS)))
    share = rng.uniform(0.15, 0.27)  # no cell of this band is reserved either
    shares = [share * math.exp(rng.uniform(-0.12, 0.12)) for _ in things]
    return _picture(rng, split, ground, scene, _row(rng, split, ground.frame, scene.relation, shares), shares)


def _row(rng: random.Random, split: Split, frame: Canvas, relation: str, shares: Sequence[float]) -> list[Center]:
    """Place things one after the other along one axis, near a common line of the other."""
    margins = _margins(frame, max(shares))
    along = 1 if relation == "above" else 0
    gap = max(shares) * 1.1 * frame.short / (frame.width, frame.height)[along]
    slack = 1 - 2 * margins[along] - gap * (len(shares) - 1)
    if slack < 0.02:
        raise NoDrawError("no room for a row")
    for _ in range(20):
        line = rng.uniform(margins[1 - along], 1 - margins[1 - along])
        starts = sorted(rng.uniform(0, slack) for _ in shares)
        cuts = [margins[along] + start + place * gap for place, start in enumerate(starts)]
        centers = [_beside(rng, split, cut, line, margins, along) for cut in cuts]
        steps = zip(centers, centers[1:], shares, shares[1:], strict=False)
        if all(_is_clear(frame, relation, one, two, (here + there) / 2) for one, two, here, there in steps):
            return centers
    raise NoDrawError("no room for a row")


def _beside(
    rng: random.Random, split: Split, cut: float, line: float, margins: tuple[float, float], along: int
) -> Center:
    """Draw a place close to `cut` on the row and close to its `line`."""
    near = ((line - 0.08, line + 0.08), (cut - 0.04, cut + 0.04))
    spans = [
        (max(low, margin), min(high, 1 - margin))
        for (low, high), margin in zip(near if along else near[::-1], margins, strict=True)
    ]
    return position(rng, split, margins[0], margins[1], spans)


# --- several equal ones --------------------------------------------------------------------------------------------


def counted(rng: random.Random, split: Split) -> Picture:
    """Draw two or three equal shapes anywhere apart from each other, in a row as often as not."""
    ground = _ground(rng, split)
    count = rng.choice((2, 3))
    share = size(rng, split, 0.15, 0.36 if count == 2 else 0.29)
    scene = _check(split, Scene((_thing(rng, ground),) * count, background=ground.name))
    shares = [share] * count
    if rng.random() < 0.5:
        centers = _row(rng, split, ground.frame, rng.choice(RELATIONS), shares)
    else:
        centers = _scattered(rng, split, ground.frame, share, count)
    return _picture(rng, split, ground, scene, centers, shares)


def _scattered(rng: random.Random, split: Split, frame: Canvas, share: float, count: int) -> list[Center]:
    for _ in range(60):
        centers = [position(rng, split, *_margins(frame, share)) for _ in range(count)]
        if all(distance >= APART * share * frame.short for distance in _distances(frame, centers)):
            return sorted(centers, key=lambda center: (center[1], center[0]))
    raise NoDrawError("no room for so many")


def _distances(frame: Canvas, centers: Sequence[Center]) -> Iterator[float]:
    """Measure how far each two are apart, along the axis that parts them better."""
    for at, one in enumerate(centers):
        for two in centers[at + 1 :]:
            yield max(abs(one[0] - two[0]) * frame.width, abs(one[1] - two[1]) * frame.height)
