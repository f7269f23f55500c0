"""What the painter draws for a scene: where each thing lies, how large it is and what lies behind.

A prompt leaves little open. What it does not say is drawn one way, up to a little jitter, so that the flow that the
painter learns has one sharp target: a single thing lies in the middle, two or three stand in a row or a column.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from starter_world import grammar
from starter_world.grammar import Scene, Thing

Color = tuple[int, int, int]
Point = tuple[float, float]

SIDE = 128
"""Pixels of a picture's side."""

INKS: dict[str, Color] = {
    "red": (225, 30, 30),
    "green": (30, 160, 55),
    "blue": (35, 65, 220),
    "yellow": (252, 225, 40),
    "orange": (250, 135, 20),
    "purple": (135, 40, 170),
    "pink": (255, 150, 190),
    "black": (15, 15, 15),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}
PAGES = ("white", "gray", "black", "blue")
"""Behind a scene that names no background: the first of these that none of its things has."""

PLACES: dict[str, Point] = {
    "middle": (0.5, 0.5),
    "top": (0.5, 0.27),
    "bottom": (0.5, 0.73),
    "left": (0.27, 0.5),
    "right": (0.73, 0.5),
    "far top": (0.5, 0.18),
    "far bottom": (0.5, 0.82),
    "far left": (0.18, 0.5),
    "far right": (0.82, 0.5),
}
ROWS = {1: ("middle",), 2: ("left", "right"), 3: ("far left", "middle", "far right")}
COLUMNS = {1: ("middle",), 2: ("top", "bottom"), 3: ("far top", "middle", "far bottom")}
EXTENTS: dict[int, dict[str, float]] = {
    1: {"small": 0.20, "": 0.42, "large": 0.70},
    2: {"small": 0.20, "": 0.32, "large": 0.48},
    3: {"small": 0.20, "": 0.24, "large": 0.24},
}
"""Number of things → size → longer side of a thing, as a share of the picture's."""

HOLE = 0.28
"""Radius of a ring's hole, as a share of its extent."""
PLACE_JITTER = 0.02
SIZE_JITTER = 0.04
FINER = 4
"""Pictures are drawn this much larger and shrunk, so that their edges are smooth."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A thing at its place; `extent` is its longer side as a share of the picture's."""

    thing: Thing
    place: str
    extent: float


def page(scene: Scene) -> str:
    """Return the colour behind the scene: the one it names, else the first that can be seen under all its things."""
    used = {thing.color for thing in scene.things}
    return scene.background or next(color for color in PAGES if color not in used)


def arrange(scene: Scene) -> tuple[Spot, ...]:
    """Give each thing of the scene its place, uppermost or leftmost first."""
    scene = scene.turned()
    count = len(scene.things)
    places = (COLUMNS if scene.relation == "above" else ROWS)[count]
    return tuple(
        Spot(thing, place, EXTENTS[count][thing.size]) for thing, place in zip(scene.things, places, strict=True)
    )


def outline(shape: str) -> list[Point]:
    """Trace `shape` around the origin, its longer side one; a ring is traced along its outer edge."""
    match shape:
        case "circle" | "ring":
            return [(math.cos(turn) / 2, math.sin(turn) / 2) for turn in _turns(72)]
        case "square":
            return _box(0.46, 0.46)
        case "rectangle":
            return _box(0.5, 0.28)
        case "triangle":
            return [(0.0, -0.45), (0.5, 0.45), (-0.5, 0.45)]
        case "diamond":
            return [(0.0, -0.5), (0.37, 0.0), (0.0, 0.5), (-0.37, 0.0)]
        case "star":
            radii = [0.53 if odd % 2 == 0 else 0.22 for odd in range(10)]
            return [(r * math.sin(turn), 0.04 - r * math.cos(turn)) for r, turn in zip(radii, _turns(10), strict=True)]
        case "heart":
            return [_heart(turn) for turn in _turns(72)]
        case _:
            raise ValueError(f"No outline for {shape!r}. Known are {', '.join(grammar.SHAPES)}.")


def picture(scene: Scene, rng: random.Random, side: int = SIDE, jitter: float = 1.0) -> Image.Image:
    """Draw the scene, `side` pixels wide and high; `jitter` scales what chance moves and resizes."""
    pixels = side * FINER
    behind = INKS[page(scene)]
    paper = Image.new("RGB", (pixels, pixels), behind)
    pen = ImageDraw.Draw(paper)
    for spot in arrange(scene):
        extent = spot.extent * (1 + rng.uniform(-SIZE_JITTER, SIZE_JITTER) * jitter) * pixels
        x, y = ((share + rng.uniform(-PLACE_JITTER, PLACE_JITTER) * jitter) * pixels for share in PLACES[spot.place])
        _draw(pen, spot.thing, x, y, extent, behind)
    return paper.resize((side, side), Image.Resampling.BOX)


def scenes(
    rng: random.Random, *, held_out: bool, kinds: tuple[float, ...] = (0.35, 0.40, 0.15, 0.10)
) -> Iterator[Scene]:
    """Endless scenes, held out or not; `kinds` are the shares of single, pair, counted and triple scenes."""
    while True:
        scene = rng.choices((_single, _pair, _counted, _triple), kinds)[0](rng)
        if grammar.is_held_out(str(scene)) == held_out:
            yield scene


def _single(rng: random.Random) -> Scene:
    thing = Thing(rng.choice(grammar.COLORS), rng.choice(grammar.SHAPES), rng.choice(("", "", "", "small", "large")))
    return Scene((thing,), background=_background(rng, thing))


def _pair(rng: random.Random) -> Scene:
    alike, any_sizes = ("", ""), rng.choice((("small", "small"), ("", "small"), ("large", ""), ("", "large")))
    sizes = rng.choice((alike, alike, alike, grammar.SIZES, grammar.SIZES[::-1], any_sizes))
    return _related(rng, *(replace(grammar.thing(rng), size=size) for size in sizes))


def _counted(rng: random.Random) -> Scene:
    thing = replace(grammar.thing(rng), size="")
    return Scene((thing,) * rng.choice((2, 3)), background=_background(rng, thing))


def _triple(rng: random.Random) -> Scene:
    return _related(rng, *(replace(grammar.thing(rng), size="") for _ in range(3)))


def _related(rng: random.Random, *things: Thing) -> Scene:
    background = _background(rng, *things) if rng.random() < 0.3 else ""
    return Scene(things, rng.choice(grammar.RELATIONS), background)


def _background(rng: random.Random, *things: Thing) -> str:
    used = {thing.color for thing in things}
    return rng.choice([color for color in grammar.COLORS if color not in used]) if rng.random() < 0.55 else ""


def _draw(pen: ImageDraw.ImageDraw, thing: Thing, x: float, y: float, extent: float, behind: Color) -> None:
    pen.polygon([(x + dx * extent, y + dy * extent) for dx, dy in outline(thing.shape)], fill=INKS[thing.color])
    if thing.shape == "ring":
        hole = HOLE * extent
        pen.ellipse((x - hole, y - hole, x + hole, y + hole), fill=behind)


def _turns(count: int) -> list[float]:
    return [2 * math.pi * step / count for step in range(count)]


def _box(half_width: float, half_height: float) -> list[Point]:
    return [
        (-half_width, -half_height), (half_width, -half_height), (half_width, half_height), (-half_width, half_height),
    ]  # fmt: skip


def _heart(turn: float) -> Point:
    up = 13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn)
    return 16 * math.sin(turn) ** 3 / 32, (-2.5 - up) / 32
