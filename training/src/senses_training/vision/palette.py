"""The shades people call by one name."""

import math
import random

from senses_training.vision.reserve import NoDrawError, Split, shade
from starter_world.grammar import COLORS

Color = tuple[int, int, int]

SHADES: dict[str, tuple[Color, ...]] = {
    "red": ((255, 0, 0), (220, 30, 30), (200, 20, 20), (229, 57, 53), (211, 47, 47)),
    "green": ((0, 128, 0), (0, 200, 0), (30, 170, 50), (76, 175, 80), (34, 139, 34), (0, 255, 0)),
    "blue": ((0, 0, 255), (40, 60, 220), (33, 120, 243), (30, 80, 200), (0, 0, 170)),
    "yellow": ((255, 255, 0), (255, 235, 59), (240, 220, 40), (255, 225, 0)),
    "orange": ((255, 165, 0), (255, 140, 0), (250, 140, 20), (255, 120, 0)),
    "purple": ((128, 0, 128), (156, 39, 176), (140, 40, 170), (103, 58, 183), (150, 30, 220)),
    "pink": ((255, 192, 203), (255, 105, 180), (255, 150, 190), (250, 130, 180)),
    "black": ((0, 0, 0), (20, 20, 20), (33, 33, 33)),
    "white": ((255, 255, 255), (245, 245, 245), (250, 250, 250)),
    "gray": ((128, 128, 128), (150, 150, 150), (105, 105, 105), (169, 169, 169)),
}
NEAREST_SHADES = 70.0  # distance in RGB below which ink on its background would be hard to see


def tint(rng: random.Random, name: str) -> Color:
    """Draw a shade people would call `name`: a blend of two known ones, slightly off."""
    first, second = rng.choice(SHADES[name]), rng.choice(SHADES[name])
    blend, spread = rng.random(), rng.choice((0, 0, 4, 8))
    red, green, blue = (
        max(0, min(255, round(one * blend + two * (1 - blend) + rng.uniform(-spread, spread))))
        for one, two in zip(first, second, strict=True)
    )
    return red, green, blue


def ink_on(rng: random.Random, name: str, background: Color) -> Color:
    """Draw a shade of `name` that can be seen on `background`."""
    for _ in range(50):
        if math.dist(rgb := tint(rng, name), background) >= NEAREST_SHADES:
            return rgb
    raise NoDrawError(name)


def backdrop(rng: random.Random, split: Split) -> tuple[str, Color]:
    """Draw a background: its name, white most often, and its shade."""
    name = "white" if rng.random() < 0.3 else rng.choice(COLORS)
    return name, shade(split, lambda: tint(rng, name))


def other_color(rng: random.Random, background: str) -> str:
    """Draw the name of an ink for `background`."""
    return rng.choice([name for name in COLORS if name != background])
