"""Draws the bundle's icon, 512 x 512: an eye, a brush stroke, sound coming in and sound going out.

Run: `python packaging/mcpb/icon.py icon.png`
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 512
DRAWN = 4 * SIDE
"""Drawn larger and shrunk, which smooths the edges."""
INK, PAPER = "#f6f1e7", "#23324a"
COLOURS = ("#e0b04c", "#d9694f", "#6fb08f", "#7da7d9")


def draw() -> Image.Image:
    """Return the icon."""
    image = Image.new("RGBA", (DRAWN, DRAWN))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, DRAWN - 1, DRAWN - 1), DRAWN // 5, fill=PAPER)
    centres = [(x * DRAWN // 10, y * DRAWN // 10) for y in (3, 7) for x in (3, 7)]
    for part, centre, colour in zip((eye, stroke, ear, voice), centres, COLOURS, strict=True):
        part(pen, *centre, DRAWN // 7, colour)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).quantize(64)


def eye(pen: ImageDraw.ImageDraw, x: int, y: int, r: int, colour: str) -> None:
    """A lens with a pupil."""
    pen.ellipse((x - r, y - r * 3 // 5, x + r, y + r * 3 // 5), fill=INK)
    pen.ellipse((x - r // 2, y - r // 2, x + r // 2, y + r // 2), fill=colour)
    pen.ellipse((x - r // 5, y - r // 5, x + r // 5, y + r // 5), fill=PAPER)


def stroke(pen: ImageDraw.ImageDraw, x: int, y: int, r: int, colour: str) -> None:
    """A brush on its line of paint."""
    pen.line((x - r * 3 // 4, y + r * 3 // 4, x + r * 3 // 4, y + r * 3 // 4), fill=colour, width=r // 3)
    pen.line((x - r // 4, y + r // 3, x + r * 3 // 4, y - r * 3 // 4), fill=INK, width=r // 4)
    pen.ellipse((x - r * 3 // 5, y, x + r // 10, y + r * 7 // 10), fill=colour)


def ear(pen: ImageDraw.ImageDraw, x: int, y: int, r: int, colour: str) -> None:
    """Waves that arrive at a point."""
    for step in (1, 2, 3):
        reach = r * step // 3
        pen.arc((x + r // 2 - reach, y - reach, x + r // 2 + reach, y + reach), 120, 240, fill=colour, width=r // 6)
    pen.ellipse((x + r // 3, y - r // 4, x + r * 5 // 6, y + r // 4), fill=INK)


def voice(pen: ImageDraw.ImageDraw, x: int, y: int, r: int, colour: str) -> None:
    """The bars of a sound."""
    for bar, height in enumerate((0.35, 0.8, 0.55, 1.0, 0.45)):
        left, half = x - r + bar * r * 2 // 5, int(r * height * 0.8)
        fill = INK if bar % 2 else colour
        pen.rounded_rectangle((left, y - half, left + r // 4, y + half), r // 8, fill=fill)


if __name__ == "__main__":
    draw().save(Path(sys.argv[1]))
