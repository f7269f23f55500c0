"""A contact sheet: pictures with their prompts, in red where the judge does not find the scene."""

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw

from starter_world.scenes import SIDE

COLUMNS = 8
GAP = 8
LINES = 3
LINE = 13
LETTERS = 22
RIGHT, WRONG = "#205030", "#c02020"


def sheet(shown: Sequence[tuple[Image.Image, str, bool]]) -> Image.Image:
    """Paste pictures of `SIDE` pixels in rows of `COLUMNS`."""
    wide, high = SIDE + GAP, SIDE + LINES * LINE + GAP
    rows = -(-len(shown) // COLUMNS)
    paper = Image.new("RGB", (COLUMNS * wide + GAP, rows * high + GAP), "#e4e4e4")
    pen = ImageDraw.Draw(paper)
    for number, (image, prompt, right) in enumerate(shown):
        x, y = GAP + number % COLUMNS * wide, GAP + number // COLUMNS * high
        paper.paste(image, (x, y))
        lines = textwrap.wrap(prompt, LETTERS)[:LINES]
        pen.multiline_text((x, y + SIDE + 1), "\n".join(lines), fill=RIGHT if right else WRONG, font_size=10, spacing=2)
    return paper
