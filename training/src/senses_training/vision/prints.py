"""Print numbers and words.

A word is printed in lower or upper case or with a capital, and known by its lower-case letters alone.
"""

import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pydoc_data import topics

from PIL import Image, ImageDraw, ImageFont

from senses_training.vision.canvas import Canvas, canvas, develop, paper, wide_canvas
from senses_training.vision.palette import Color, backdrop, ink_on, other_color
from senses_training.vision.patches import resized
from senses_training.vision.pictures import Mark, Picture
from senses_training.vision.reserve import NoDrawError, Split, position, size
from starter_world.grammar import is_held_out
from starter_world.grammar import words as world_words

SCORING_FONTS = ("Roboto-", "RobotoCondensed-", "OpenSans-", "GentiumPlus-", "GentiumBookPlus-")
UNUSED_FONTS = (
    "Thin", "Hairline", "EBGaramond", "Junicode", "LinLibertine_I", "LinLibertine_D", "LinBiolinum_K", "Math",
)  # fmt: skip
PILLOW_FONT = "Pillow's own"
NARROWEST_LETTER = 11.5  # mean pixels of a letter as the network sees it
LOWEST_PRINT = 12  # pixels of a word's height as the network sees it
LIKE_DIGITS = frozenset("oilszbgqe")  # a word of these alone might be read as a number

WORLD = tuple(sorted(word for word in world_words() if 2 <= len(word) <= 10))
ENGLISH = tuple(
    sorted(set(re.findall(r"(?<![\w.'`])[a-z]{2,9}(?![\w.'(])", " ".join(topics.topics.values()))) - set(WORLD))
)
"""Common words from the documentation that comes with Python."""


def find_fonts(folder: Path, split: Split) -> list[str]:
    """List the font files `split` may use; whole families are kept for scoring, Pillow's own font among them."""
    paths = [str(path) for path in sorted(folder.rglob("*")) if path.suffix in {".ttf", ".otf"}]
    names = [path for path in paths if not any(word in Path(path).name for word in UNUSED_FONTS)]
    chosen = [path for path in names if Path(path).name.startswith(SCORING_FONTS) == (split is Split.SCORING)]
    return [*chosen, *[PILLOW_FONT] * 4] if split is Split.SCORING else chosen


# --- what is printed -----------------------------------------------------------------------------------------------


def _digits(rng: random.Random, split: Split) -> str:
    kind = rng.random()
    if kind < 0.3:
        return str(rng.randint(0, 9))
    low, high = (10, 99) if kind < 0.85 else (100, 999)
    numbers = [str(number) for number in range(low, high + 1)]
    return rng.choice([text for text in numbers if is_held_out(text) == (split is Split.SCORING)])


def _word(rng: random.Random, split: Split) -> str:
    """Draw a word: of the world, of English, or of random letters; the last two never both in training and scoring."""
    kind = rng.random()
    if kind < (0.35 if split is Split.TRAINING else 0.5):
        return rng.choice(WORLD)
    while True:
        text = rng.choice(ENGLISH) if kind < 0.75 else _letters(rng)
        if is_held_out(text) == (split is Split.SCORING):
            return text


def world_words_printed() -> list[str]:
    """List the words of the world that are printed in training and scoring."""
    return list(WORLD)


def unseen_words() -> dict[str, list[str]]:
    """List words that training never prints: English ones and strings of letters."""
    rng = random.Random(0)
    strings = [text for text in (_letters(rng) for _ in range(3000)) if is_held_out(text)]
    return {
        "never_trained_on": [text for text in ENGLISH if is_held_out(text)],
        "letters_at_random": strings,
    }


def _letters(rng: random.Random) -> str:
    while True:
        text = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 7)))
        if set(text) - LIKE_DIGITS:
            return text


def _cased(rng: random.Random, word: str) -> str:
    kind = rng.random()
    if kind < 0.55:
        return word
    return word.upper() if kind < 0.75 else word.capitalize()


# --- how it is printed ---------------------------------------------------------------------------------------------


@lru_cache
def _font(path: str, pixels: float) -> ImageFont.FreeTypeFont:
    if path != PILLOW_FONT:
        return ImageFont.truetype(path, pixels)
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def number(rng: random.Random, split: Split, fonts: Sequence[str]) -> Picture:
    """Print a number of one to three digits, below a hundred mostly."""
    frame, text = canvas(rng, split), _digits(rng, split)
    font = _font(rng.choice(fonts), 100)
    left, top, right, bottom = font.getbbox(text)
    share = size(rng, split, 0.3, 0.85)
    pixels = min(share * frame.short / (bottom - top), 0.92 * frame.width / (right - left)) * 100
    if pixels * (bottom - top) / 100 < 14:
        raise NoDrawError("a number too small to read")
    return _printed(rng, split, frame, text, font, pixels, number=text)


def word(rng: random.Random, split: Split, fonts: Sequence[str], text: str = "") -> Picture:
    """Print a word over 55 to 92 percent of the width, or less where it would fill more than 90 percent of the height.

    Raises:
        NoDrawError: it would be too small to read.
    """
    text = text or _word(rng, split)
    shown = _cased(rng, text)
    frame, font = wide_canvas(rng, split, len(text)), _font(rng.choice(fonts), 100)
    left, top, right, bottom = font.getbbox(shown)
    share = size(rng, split, 0.55, 0.92)
    pixels = min(share * frame.width / (right - left), 0.9 * frame.height / (bottom - top)) * 100
    seen = resized(frame.width, frame.height)[0] / frame.width
    if pixels / 100 * (right - left) / len(text) * min(seen, 1) < NARROWEST_LETTER:
        raise NoDrawError("letters too narrow to read")
    if pixels / 100 * (bottom - top) * min(seen, 1) < LOWEST_PRINT:
        raise NoDrawError("a word too low to read")
    return _printed(rng, split, frame, shown, font, pixels, word=text)


@dataclass(frozen=True, slots=True)
class Line:
    """A text as it is to be printed: in which font, how many pixels high, around which centre and in which colour."""

    text: str
    font: ImageFont.FreeTypeFont
    pixels: float
    center: tuple[float, float]
    ink: str
    rgb: Color

    def extent(self, frame: Canvas) -> tuple[float, float]:
        """Measure it in shares of width and height."""
        return _extent(self.text, self.font, self.pixels, frame)

    def put(self, drawing: Image.Image, frame: Canvas) -> None:
        """Print it."""
        scaled = self.font.font_variant(size=max(4, self.pixels * frame.scale))
        left, top, right, bottom = scaled.getbbox(self.text)
        x, y = self.center[0] * frame.width * frame.scale, self.center[1] * frame.height * frame.scale
        corner = (x - (left + right) / 2, y - (top + bottom) / 2)
        ImageDraw.Draw(drawing).text(corner, self.text, fill=self.rgb, font=scaled)


def _extent(text: str, font: ImageFont.FreeTypeFont, pixels: float, frame: Canvas) -> tuple[float, float]:
    left, top, right, bottom = font.getbbox(text)
    return (right - left) * pixels / 100 / frame.width, (bottom - top) * pixels / 100 / frame.height


def _margins(extent: tuple[float, float], frame: Canvas) -> tuple[float, float]:
    return min(0.5, extent[0] / 2 + 1 / frame.width), min(0.5, extent[1] / 2 + 1 / frame.height)


def _printed(
    rng: random.Random,
    split: Split,
    frame: Canvas,
    text: str,
    font: ImageFont.FreeTypeFont,
    pixels: float,
    *,
    number: str = "",
    word: str = "",
) -> Picture:
    background, rgb = backdrop(rng, split)
    ink = other_color(rng, background)
    center = position(rng, split, *_margins(_extent(text, font, pixels, frame), frame))
    line = Line(text, font, pixels, center, ink, ink_on(rng, ink, rgb))
    line.put(drawing := paper(rng, frame, rgb), frame)
    image = develop(rng, drawing, frame)
    return Picture(image, background, number=number, word=word, ink=ink, centers=(center,), marks=_marks(line, frame))


def page(rng: random.Random, split: Split, fonts: Sequence[str]) -> Picture:
    """Print several words below each other: to look at only, since nobody asks about more than one."""
    frame, (background, rgb) = canvas(rng, split), backdrop(rng, split)
    count = max(2, min(4, round(3 * frame.height / frame.width)))
    marks: list[Mark] = []
    drawing = paper(rng, frame, rgb)
    for place in range(count):
        line = _line(rng, split, frame, fonts, (background, rgb), (place / count, (place + 1) / count))
        line.put(drawing, frame)
        marks += _marks(line, frame)
    return Picture(develop(rng, drawing, frame), background, marks=tuple(marks))


def _line(
    rng: random.Random,
    split: Split,
    frame: Canvas,
    fonts: Sequence[str],
    ground: tuple[str, Color],
    band: tuple[float, float],
) -> Line:
    """Draw a word that fits between two heights."""
    font, text, ink = _font(rng.choice(fonts), 100), _cased(rng, _word(rng, split)), other_color(rng, ground[0])
    wide, high = _extent(text, font, 100, frame)
    pixels = 100 * min(size(rng, split, 0.55, 0.92) / wide, 0.9 * (band[1] - band[0]) / high)
    if wide * pixels / 100 * resized(frame.width, frame.height)[0] / len(text) < NARROWEST_LETTER:
        raise NoDrawError("letters too narrow to read")
    margins = _margins(_extent(text, font, pixels, frame), frame)
    spans = ((margins[0], 1 - margins[0]), (band[0] + margins[1], max(band[0] + margins[1], band[1] - margins[1])))
    return Line(text, font, pixels, position(rng, split, *margins, spans), ink, ink_on(rng, ink, ground[1]))


def _marks(line: Line, frame: Canvas) -> tuple[Mark, ...]:
    """Say where each letter lies."""
    whole, (width, height), center = line.font.getlength(line.text), line.extent(frame), line.center
    edges = [
        center[0] + (line.font.getlength(line.text[:end]) / whole - 0.5) * width for end in range(len(line.text) + 1)
    ]
    top, bottom = center[1] - height / 2, center[1] + height / 2
    return tuple(
        Mark(letter, line.ink, "", (start, top, end, bottom))
        for letter, start, end in zip(line.text.lower(), edges, edges[1:], strict=False)
    )


def blank(rng: random.Random, split: Split) -> Picture:
    """Fill a picture with one colour."""
    frame = canvas(rng, split)
    background, rgb = backdrop(rng, split)
    return Picture(develop(rng, paper(rng, frame, rgb), frame), background)
