"""Pictures whose meaning is known, drawn here and not by the starters' own renderer."""

from pathlib import Path

from PIL import Image, ImageDraw

COLORS = {"red": (225, 30, 35), "blue": (35, 60, 215), "green": (30, 160, 60), "yellow": (245, 220, 40)}


def draw_circle(path: Path, color: str, *, side: int = 320) -> Path:
    """A circle in the middle of a white picture."""
    picture = Image.new("RGB", (side, side), "white")
    margin = side // 4
    ImageDraw.Draw(picture).ellipse((margin, margin, side - margin, side - margin), fill=COLORS[color])
    picture.save(path)
    return path


def draw_square_right_of_circle(path: Path, square: str, circle: str) -> Path:
    """A square on the right, a circle on the left, on white."""
    picture = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((40, 100, 140, 200), fill=COLORS[circle])
    pen.rectangle((255, 100, 355, 200), fill=COLORS[square])
    picture.save(path)
    return path
