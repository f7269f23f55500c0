"""Draw pictures of the world and say what they show.

A picture holds one or two shapes, a printed number, or nothing. Every word of a caption is decidable from the picture:
sizes, relations and places are drawn from bands with gaps between them, so no picture lies on a border.
"""

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.vision.reserve import NoDrawError, Split, position, shade, size
from training.world import COLORS, SHAPES, Scene, Thing, is_held_out

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
PAIRS = {"above": "below", "left of": "right of"}
OPPOSITE = PAIRS | {there: here for here, there in PAIRS.items()}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one shape or digit lies: its box as shares of width and height."""

    name: str
    color: str
    size: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image and what it shows. `centers` are shares of width and height, one for each thing or number."""

    image: Image.Image
    background: str
    scene: Scene | None = None
    number: str = ""
    ink: str = ""
    centers: tuple[tuple[float, float], ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def things(self) -> tuple[Thing, ...]:
        """The shapes, uppermost or leftmost first."""
        return self.scene.things if self.scene else ()

    @property
    def caption(self) -> str:
        """The one canonical sentence for this picture."""
        if self.number:
            return f"The number {self.number}."
        if not self.scene:
            return f"A blank {self.background} image."
        text = english(str(self.scene))
        return f"{text[0].upper()}{text[1:]}."


def english(text: str) -> str:
    """Write the world's "a orange" as people do."""
    return text.replace("a orange", "an orange")


# --- colours -------------------------------------------------------------------------------------------------------


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


# --- outlines ------------------------------------------------------------------------------------------------------


def outline(rng: random.Random, shape: str) -> list[tuple[float, float]]:
    """Trace `shape` around the origin, its longer side one."""
    match shape:
        case "circle":
            points = [(math.cos(turn), math.sin(turn)) for turn in _turns(60)]
        case "square":
            points = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
        case "triangle":
            points = [(rng.uniform(-0.15, 0.15), -1.0), (1.0, 1.0), (-1.0, 1.0)]
        case "star":
            inner = rng.uniform(0.36, 0.5)
            points = [
                (math.sin(turn) * (inner if odd % 2 else 1), -math.cos(turn) * (inner if odd % 2 else 1))
                for odd, turn in enumerate(_turns(10))
            ]
        case _:
            points = [
                (
                    16 * math.sin(turn) ** 3,
                    -13 * math.cos(turn) + 5 * math.cos(2 * turn) + 2 * math.cos(3 * turn) + math.cos(4 * turn),
                )
                for turn in _turns(60)
            ]
    stretch = math.exp(rng.uniform(-0.1, 0.1)) if rng.random() < 0.4 else 1.0
    angle = math.radians(rng.uniform(-10, 10)) if rng.random() < 0.4 else 0.0
    return _fit([_rotate(x * stretch, y, angle) for x, y in points])


def _turns(count: int) -> list[float]:
    return [2 * math.pi * step / count for step in range(count)]


def _rotate(x: float, y: float, angle: float) -> tuple[float, float]:
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _fit(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centre the bounding box on the origin and make its longer side one."""
    xs, ys = zip(*points, strict=True)
    middle_x, middle_y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    longer = max(max(xs) - min(xs), max(ys) - min(ys))
    return [((x - middle_x) / longer, (y - middle_y) / longer) for x, y in points]


# --- canvases ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of a picture in pixels, and how much finer it is drawn than shown."""

    width: int
    height: int
    scale: int

    @property
    def short(self) -> int:
        """The shorter side, which sizes refer to."""
        return min(self.width, self.height)


def canvas(rng: random.Random, split: Split) -> Canvas:
    """Draw a canvas; scoring also uses canvases larger than any in training."""
    longest = 1024 if split is Split.SCORING else 420
    long = round(math.exp(rng.uniform(math.log(72), math.log(longest))))
    aspect = 1.0 if rng.random() < 0.45 else rng.choice((4 / 3, 3 / 2, 16 / 9, rng.uniform(1, 2.1)))
    short = max(64, round(long / aspect))
    width, height = (long, short) if rng.random() < 0.65 else (short, long)
    return Canvas(width, height, 1 if long > 300 else rng.choice((1, 2, 3)))


def _paper(rng: random.Random, frame: Canvas, rgb: Color) -> Image.Image:
    """Fill the canvas, now and then with a slight gradient."""
    extent = (frame.width * frame.scale, frame.height * frame.scale)
    if rng.random() > 0.12:
        return Image.new("RGB", extent, rgb)
    drift = rng.uniform(3, 9) * rng.choice((-1, 1))
    ramp = np.linspace(-drift, drift, extent[1] if rng.random() < 0.5 else extent[0])
    field = ramp[:, None, None] if len(ramp) == extent[1] else ramp[None, :, None]
    plane = np.broadcast_to(np.array(rgb, float), (extent[1], extent[0], 3)) + field
    return Image.fromarray(plane.clip(0, 255).astype(np.uint8))


def _develop(rng: random.Random, image: Image.Image, frame: Canvas) -> Image.Image:
    """Bring the drawing to its size and give it the wear of real files: blur, noise and JPEG blocks, a little."""
    if frame.scale > 1:
        image = image.resize((frame.width, frame.height), Image.Resampling.BOX)
    if rng.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.008 * frame.short + 0.3)))
    if rng.random() < 0.15:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 5), (frame.height, frame.width, 3))
        image = Image.fromarray((np.asarray(image, float) + noise).clip(0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        image.save(file := io.BytesIO(), "JPEG", quality=rng.randint(45, 95))
        image = Image.open(file).convert("RGB")
    return image


# --- scenes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape at its place: centre in pixels, longer side in pixels."""

    thing: Thing
    x: float
    y: float
    extent: float

    def mark(self, frame: Canvas) -> Mark:
        """Say where the shape lies."""
        half_x, half_y = self.extent / 2 / frame.width, self.extent / 2 / frame.height
        x, y = self.x / frame.width, self.y / frame.height
        box = (x - half_x, y - half_y, x + half_x, y + half_y)
        return Mark(self.thing.shape, self.thing.color, self.thing.size, box)


def _draw_shapes(
    rng: random.Random, frame: Canvas, background: str, rgb: Color, placed: Sequence[Placed]
) -> Image.Image:
    paper = _paper(rng, frame, rgb)
    pen = ImageDraw.Draw(paper)
    for item in placed:
        fill = ink_on(rng, item.thing.color, rgb)
        points = [
            ((item.x + x * item.extent) * frame.scale, (item.y + y * item.extent) * frame.scale)
            for x, y in outline(rng, item.thing.shape)
        ]
        pen.polygon(points, fill=fill)
        if rng.random() < 0.07:
            edge = tuple(round(level * 0.6) for level in fill)
            pen.line([*points, points[0]], fill=edge, width=max(1, round(frame.scale * item.extent * 0.02)))
    return _develop(rng, paper, frame)


def _background(rng: random.Random, split: Split) -> tuple[str, Color]:
    name = "white" if rng.random() < 0.3 else rng.choice(COLORS)
    return name, shade(split, lambda: tint(rng, name))


def single(rng: random.Random, split: Split) -> Picture:
    """Draw one shape; it is called small below 0.22 of the shorter side and large above 0.62."""
    frame = canvas(rng, split)
    background, rgb = _background(rng, split)
    word, low, high = rng.choice((("", 0.3, 0.52), ("small", 0.14, 0.22), ("large", 0.62, 0.9)))
    share = size(rng, split, low, high)
    thing = Thing(_other_color(rng, background), rng.choice(SHAPES), word)
    center = position(rng, split, *_margins(frame, share))
    placed = Placed(thing, center[0] * frame.width, center[1] * frame.height, share * frame.short)
    scene = Scene((thing,), background=background)
    _check_sentence(split, scene)
    return Picture(
        _draw_shapes(rng, frame, background, rgb, (placed,)),
        background,
        scene,
        "",
        "",
        (center,),
        (placed.mark(frame),),
    )


def pair(rng: random.Random, split: Split) -> Picture:
    """Draw two shapes; they are called small and large where one is at least 1.9 times the other.

    The uppermost is named first, or the leftmost where they stand side by side.
    """
    frame = canvas(rng, split)
    background, rgb = _background(rng, split)
    shares, words = _pair_sizes(rng, split)
    relation = rng.choice(tuple(PAIRS))
    first, second = (Thing(_other_color(rng, background), rng.choice(SHAPES), word) for word in words)
    scene = Scene((first, second), relation)
    _check_sentence(split, scene)
    centers = _pair_centers(rng, split, frame, relation, shares)
    placed = [
        Placed(thing, center[0] * frame.width, center[1] * frame.height, share * frame.short)
        for thing, center, share in zip(scene.things, centers, shares, strict=True)
    ]
    return Picture(
        _draw_shapes(rng, frame, background, rgb, placed),
        background,
        scene,
        "",
        "",
        centers,
        tuple(item.mark(frame) for item in placed),
    )


def _pair_sizes(rng: random.Random, split: Split) -> tuple[tuple[float, float], tuple[str, str]]:
    if rng.random() < 0.5:
        share = size(rng, split, 0.18, 0.4)
        return (share, share * math.exp(rng.uniform(-0.18, 0.18))), ("", "")
    share = rng.uniform(0.15, 0.26)  # no cell of this band is reserved: these sizes are the same in both splits
    larger = min(0.6, share * rng.uniform(1.9, 2.8))
    if rng.random() < 0.5:
        return (share, larger), ("small", "large")
    return (larger, share), ("large", "small")


def _pair_centers(
    rng: random.Random, split: Split, frame: Canvas, relation: str, shares: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Place two shapes so that one axis clearly decides their relation."""
    touching = (shares[0] + shares[1]) / 2 * frame.short
    for _ in range(60):
        one = position(rng, split, *_margins(frame, shares[0]))
        two = position(rng, split, *_margins(frame, shares[1]))
        across, down = (two[0] - one[0]) * frame.width, (two[1] - one[1]) * frame.height
        along, aside = (down, abs(across)) if relation == "above" else (across, abs(down))
        if along >= touching * 1.08 and aside <= along * 0.5:
            return one, two
    raise NoDrawError(relation)


def _margins(frame: Canvas, share: float) -> tuple[float, float]:
    half = share * frame.short / 2
    return min(0.5, (half + 1) / frame.width), min(0.5, (half + 1) / frame.height)


def _other_color(rng: random.Random, background: str) -> str:
    return rng.choice([name for name in COLORS if name != background])


def _check_sentence(split: Split, scene: Scene) -> None:
    """Keep the world's held-out sentences for scoring, and score on nothing else."""
    if is_held_out(str(scene)) != (split is Split.SCORING):
        raise NoDrawError(str(scene))


# --- numbers and blank pictures ------------------------------------------------------------------------------------

SCORING_FONTS = ("Roboto-", "RobotoCondensed-", "OpenSans-", "GentiumPlus-", "GentiumBookPlus-")
UNUSED_FONTS = (
    "Thin",
    "Hairline",
    "EBGaramond",
    "Junicode",
    "LinLibertine_I",
    "LinLibertine_D",
    "LinBiolinum_K",
    "Math",
)
PILLOW_FONT = "Pillow's own"


def find_fonts(folder: Path, split: Split) -> list[str]:
    """List the font files `split` may use; whole families are kept for scoring, Pillow's own font among them."""
    paths = [str(path) for path in sorted(folder.rglob("*")) if path.suffix in {".ttf", ".otf"}]
    names = [path for path in paths if not any(word in Path(path).name for word in UNUSED_FONTS)]
    chosen = [path for path in names if Path(path).name.startswith(SCORING_FONTS) == (split is Split.SCORING)]
    return [*chosen, *[PILLOW_FONT] * 4] if split is Split.SCORING else chosen


def number(rng: random.Random, split: Split, fonts: Sequence[str]) -> Picture:
    """Print a number of one to three digits; two in three have one digit."""
    frame = canvas(rng, split)
    background, rgb = _background(rng, split)
    text = _digits(rng, split)
    name = _other_color(rng, background)
    share = size(rng, split, 0.3, 0.85)
    font = _font(rng.choice(fonts), 100)
    left, top, right, bottom = font.getbbox(text)
    pixels = min(share * frame.short / (bottom - top), 0.92 * frame.width / (right - left)) * 100
    if pixels * (bottom - top) / 100 < 14:
        raise NoDrawError("a number too small to read")
    width, height = (right - left) * pixels / 100, (bottom - top) * pixels / 100
    center = position(rng, split, min(0.5, (width / 2 + 1) / frame.width), min(0.5, (height / 2 + 1) / frame.height))
    paper = _paper(rng, frame, rgb)
    at = (center[0] * frame.width * frame.scale, center[1] * frame.height * frame.scale)
    _print(paper, text, _font_at(font, pixels * frame.scale), at, ink_on(rng, name, rgb))
    edges = [
        (font.getlength(text[:end]) / font.getlength(text) - 0.5) * width / frame.width for end in range(len(text) + 1)
    ]
    marks = tuple(
        Mark(
            digit,
            name,
            "",
            (
                center[0] + start,
                center[1] - height / 2 / frame.height,
                center[0] + end,
                center[1] + height / 2 / frame.height,
            ),
        )
        for digit, start, end in zip(text, edges, edges[1:], strict=False)
    )
    return Picture(_develop(rng, paper, frame), background, number=text, ink=name, centers=(center,), marks=marks)


def _digits(rng: random.Random, split: Split) -> str:
    if rng.random() < 0.65:
        return str(rng.randint(0, 9))
    low, high = (10, 99) if rng.random() < 0.6 else (100, 999)
    numbers = [str(number) for number in range(low, high + 1)]
    return rng.choice([text for text in numbers if is_held_out(text) == (split is Split.SCORING)])


def _font(path: str, pixels: float) -> ImageFont.FreeTypeFont:
    if path != PILLOW_FONT:
        return ImageFont.truetype(path, pixels)
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _font_at(font: ImageFont.FreeTypeFont, pixels: float) -> ImageFont.FreeTypeFont:
    return font.font_variant(size=max(4, pixels))


def _print(paper: Image.Image, text: str, font: ImageFont.FreeTypeFont, at: tuple[float, float], fill: Color) -> None:
    left, top, right, bottom = font.getbbox(text)
    ImageDraw.Draw(paper).text((at[0] - (left + right) / 2, at[1] - (top + bottom) / 2), text, fill=fill, font=font)


def blank(rng: random.Random, split: Split) -> Picture:
    """Fill a picture with one colour."""
    frame = canvas(rng, split)
    background, rgb = _background(rng, split)
    return Picture(_develop(rng, _paper(rng, frame, rgb), frame), background)


MIXES = {Split.TRAINING: (25, 38, 33, 4), Split.SCORING: (37, 35, 22, 6)}  # what is hard comes more often in training


def picture(rng: random.Random, split: Split, fonts: Sequence[str]) -> Picture:
    """Draw any picture of the world: shapes mostly, numbers often, now and then nothing."""
    kind = rng.choices(("single", "pair", "number", "blank"), MIXES[split])[0]
    while True:
        try:
            match kind:
                case "single":
                    return single(rng, split)
                case "pair":
                    return pair(rng, split)
                case "number":
                    return number(rng, split, fonts)
                case _:
                    return blank(rng, split)
        except NoDrawError:
            continue
