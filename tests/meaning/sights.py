"""Images of known meaning, drawn with Pillow instead of the starters' training renderer."""

import math

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]

COLORS: dict[str, Color] = {
    "red": (220, 30, 35),
    "green": (30, 160, 60),
    "blue": (35, 60, 215),
    "yellow": (245, 220, 40),
    "purple": (140, 40, 170),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}
SIDE = 168
"""Side of an image in pixels: six of the starter's patches, scaled to five."""
SUPERSAMPLING = 4
PLAIN, SMALL, LARGE = 0.42, 0.18, 0.7
"""Size of a shape as a share of the side: named without a size, "small" and "large" by the starter."""


def blank_image(background: str = "white", width: int = SIDE, height: int = SIDE) -> Image.Image:
    """Return an image of one color."""
    return Image.new("RGB", (width, height), COLORS[background])


def single_shape(
    color: str, shape: str, background: str = "white", share: float = PLAIN, *, width: int = SIDE
) -> Image.Image:
    """Return an image with one shape in the middle."""
    return draw_shape(blank_image(background, width), color, shape, (0.5, 0.5), share)


def shapes_in_a_row(*things: tuple[str, str], background: str = "white") -> Image.Image:
    """Return an image with two or three shapes of one size beside each other."""
    image = blank_image(background)
    for index, thing in enumerate(things):
        image = draw_shape(image, *thing, ((index + 0.5) / len(things), 0.5), 0.25)
    return image


def draw_shape(image: Image.Image, color: str, shape: str, center: tuple[float, float], share: float) -> Image.Image:
    """Return the image with one more shape. `center` is in shares of width and height, `share` of the shorter side."""
    supersampled = image.resize((image.width * SUPERSAMPLING, image.height * SUPERSAMPLING), Image.Resampling.NEAREST)
    radius = share * min(supersampled.size) / 2
    x, y = center[0] * supersampled.width, center[1] * supersampled.height
    _draw_polygon(ImageDraw.Draw(supersampled), shape, (x - radius, y - radius, x + radius, y + radius), COLORS[color])
    return supersampled.resize(image.size, Image.Resampling.BOX)


def two_shapes(
    first: tuple[str, str], relation: str, second: tuple[str, str], background: str = "white"
) -> Image.Image:
    """Return an image with two shapes of one size, the first above or left of the second."""
    at = {"above": ((0.5, 0.27), (0.5, 0.73)), "left of": ((0.27, 0.5), (0.73, 0.5))}[relation]
    return draw_shape(draw_shape(blank_image(background), *first, at[0], 0.32), *second, at[1], 0.32)


def text_image(text: str, *, width: int = SIDE, height: int = SIDE, ink: str = "black") -> Image.Image:
    """Return a white image that a text mostly fills."""
    image = blank_image("white", width, height)
    size = next(size for size in range(120, 8, -2) if _fits(text, size, 0.8 * width, 0.6 * height))
    ImageDraw.Draw(image).text((width / 2, height / 2), text, COLORS[ink], _font(size), anchor="mm")
    return image


def _fits(text: str, size: int, width: float, height: float) -> bool:
    left, top, right, bottom = _font(size).getbbox(text)
    return right - left <= width and bottom - top <= height


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)  # Pillow's own: every machine has the same
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _draw_polygon(pen: ImageDraw.ImageDraw, shape: str, box: Box, color: Color) -> None:
    left, top, right, bottom = box
    middle = (left + right) / 2
    match shape:
        case "circle":
            pen.ellipse(box, fill=color)
        case "square":
            pen.rectangle(box, fill=color)
        case "triangle":
            pen.polygon([(middle, top), (right, bottom), (left, bottom)], fill=color)
        case "diamond":
            pen.polygon(
                [(middle, top), (right, (top + bottom) / 2), (middle, bottom), (left, (top + bottom) / 2)], color
            )
        case "rectangle":
            pen.rectangle((left, top + (bottom - top) / 4, right, bottom - (bottom - top) / 4), fill=color)
        case "ring":
            pen.ellipse(box, outline=color, width=round((right - left) * 0.2))
        case "star":
            pen.polygon(_star(middle, (top + bottom) / 2, (right - left) / 2), fill=color)
        case _:
            raise ValueError(shape)


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    turns = [(math.pi * step / 5, radius * (1 if step % 2 == 0 else 0.42)) for step in range(10)]
    return [(x + far * math.sin(turn), y - far * math.cos(turn)) for turn, far in turns]
