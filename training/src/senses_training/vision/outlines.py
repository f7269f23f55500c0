"""The outlines of the world's shapes, each as one closed line."""

import math
import random

Point = tuple[float, float]


def outline(rng: random.Random, shape: str) -> list[Point]:
    """Trace `shape` around the origin, its longer side one."""
    stretch = math.exp(rng.uniform(-0.1, 0.1)) if rng.random() < 0.4 else 1.0
    angle = math.radians(rng.uniform(-10, 10)) if rng.random() < 0.4 else 0.0
    return _fit([_rotate(x * stretch, y, angle) for x, y in _trace(rng, shape)])


def _trace(rng: random.Random, shape: str) -> list[Point]:
    match shape:
        case "circle":
            return _circle(1.0)
        case "ring":
            hole = _circle(rng.uniform(0.45, 0.72))
            rim = _circle(1.0)
            return [*rim, rim[0], *hole[::-1], hole[-1]]  # in along a seam of no width, around the hole, and out again
        case "square":
            return _box(1.0, 1.0)
        case "rectangle":
            longer = rng.uniform(1.8, 2.8)  # still 1.6 when stretched the other way
            return _box(longer, 1.0) if rng.random() < 0.6 else _box(1.0, longer)
        case "diamond":
            wide = rng.uniform(0.6, 1.0)
            return [(0.0, -1.0), (wide, 0.0), (0.0, 1.0), (-wide, 0.0)]
        case "triangle":
            return [(rng.uniform(-0.15, 0.15), -1.0), (1.0, 1.0), (-1.0, 1.0)]
        case "star":
            return _star(rng.uniform(0.36, 0.5))
        case _:
            return _heart()


def _turns(count: int) -> list[float]:
    return [2 * math.pi * step / count for step in range(count)]


def _circle(radius: float) -> list[Point]:
    return [(radius * math.cos(turn), radius * math.sin(turn)) for turn in _turns(60)]


def _box(half_width: float, half_height: float) -> list[Point]:
    return [
        (-half_width, -half_height),
        (half_width, -half_height),
        (half_width, half_height),
        (-half_width, half_height),
    ]


def _star(inner: float) -> list[Point]:
    reach = [inner if point % 2 else 1.0 for point in range(10)]
    return [(math.sin(turn) * far, -math.cos(turn) * far) for turn, far in zip(_turns(10), reach, strict=True)]


def _heart() -> list[Point]:
    return [
        (
            16 * math.sin(turn) ** 3,
            -13 * math.cos(turn) + 5 * math.cos(2 * turn) + 2 * math.cos(3 * turn) + math.cos(4 * turn),
        )
        for turn in _turns(60)
    ]


def _rotate(x: float, y: float, angle: float) -> Point:
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _fit(points: list[Point]) -> list[Point]:
    """Centre the bounding box on the origin and make its longer side one."""
    xs, ys = zip(*points, strict=True)
    middle_x, middle_y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    longer = max(max(xs) - min(xs), max(ys) - min(ys))
    return [((x - middle_x) / longer, (y - middle_y) / longer) for x, y in points]
