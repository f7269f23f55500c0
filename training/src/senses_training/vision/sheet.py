"""A sheet of pictures with what the model says of them, for a person to look at."""

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

TILE, GAP, LINE = 150, 10, 13


def sheet(shown: Sequence[tuple[Image.Image, str, bool]], *, columns: int = 8, rows: int = 5) -> Image.Image:
    """Paste pictures with their captions under them; wrong ones are red."""
    width, height = TILE + GAP, TILE + 5 * LINE
    paper = Image.new("RGB", (columns * width, rows * height), "#dddddd")
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(11)
    for at, (image, said, right) in enumerate(shown[: columns * rows]):
        x, y = at % columns * width + GAP // 2, at // columns * height + 3
        small = image.copy()
        small.thumbnail((TILE, TILE))
        paper.paste(small, (x, y))
        for number, text in enumerate(textwrap.wrap(said, 27)[:4]):
            pen.text((x, y + TILE + number * LINE), text, font=font, fill="black" if right else "red")
    return paper
