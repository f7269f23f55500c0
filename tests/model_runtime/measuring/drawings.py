"""Small layouts that Pillow draws."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model_runtime.measuring.regions import Pixels

WIDTH, HEIGHT = 400, 300
PAGE, CARD, BUTTON, INK = "#ffffff", "#f0f2f5", "#0969da", "#1f2328"
FIRST, SECOND, BUTTON_BOX = (20, 60, 160, 100), (204, 60, 160, 100), (36, 110, 80, 30)


def layout(
    *,
    first: tuple[int, int, int, int] = FIRST,
    button: tuple[int, int, int, int] | None = BUTTON_BOX,
    button_color: str = BUTTON,
    title: str = "Settings",
    title_size: int = 20,
    title_color: str = INK,
) -> Image.Image:
    """Draw a title and two cards; the first one holds a button."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAGE)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(title_size)
    draw.text((20, 20), title, fill=title_color, font=font)
    for box in (first, SECOND):
        draw.rectangle(_corners(box), fill=CARD)
    if button:
        draw.rounded_rectangle(_corners(button), radius=6, fill=button_color)
    return image


def pixels(image: Image.Image) -> Pixels:
    """Return the pixels of an RGB image."""
    return np.asarray(image)


def _corners(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    left, top, width, height = box
    return left, top, left + width - 1, top + height - 1
