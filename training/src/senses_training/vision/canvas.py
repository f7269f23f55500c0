"""The paper pictures are drawn on, and the wear they get: blur, noise, JPEG blocks, a small painter's soft hand."""

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from senses_training.vision.palette import Color
from senses_training.vision.reserve import Split


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


ASPECTS = (1.0, 4 / 3, 3 / 2, 16 / 9, 2.0)
LONGEST = {Split.TRAINING: 420, Split.SCORING: 1024}


def canvas(rng: random.Random, split: Split) -> Canvas:
    """Draw a canvas; scoring also uses canvases larger than any in training."""
    aspect = 1.0 if rng.random() < 0.5 else rng.choice((*ASPECTS[1:4], rng.uniform(1, 2.1)))
    frame = _sized(rng, split, 72, aspect)
    return frame if rng.random() < 0.65 else Canvas(frame.height, frame.width, frame.scale)


def wide_canvas(rng: random.Random, split: Split, letters: int) -> Canvas:
    """Draw a canvas for a word: the longer it is, the more often twice as wide as high."""
    aspect = 2.0 if rng.random() < 0.12 * letters else rng.choice((*ASPECTS, rng.uniform(1, 2.6)))
    return _sized(rng, split, 96, aspect)


def _sized(rng: random.Random, split: Split, shortest: int, aspect: float) -> Canvas:
    long = round(math.exp(rng.uniform(math.log(shortest), math.log(LONGEST[split]))))
    short = max(64, round(long / aspect))
    return Canvas(max(long, short), short, 1 if long > 300 else rng.choice((1, 2, 3)))


def paper(rng: random.Random, frame: Canvas, rgb: Color) -> Image.Image:
    """Fill the canvas, now and then with a slight gradient."""
    extent = (frame.width * frame.scale, frame.height * frame.scale)
    if rng.random() > 0.12:
        return Image.new("RGB", extent, rgb)
    drift = rng.uniform(3, 9) * rng.choice((-1, 1))
    ramp = np.linspace(-drift, drift, extent[1] if rng.random() < 0.5 else extent[0])
    field = ramp[:, None, None] if len(ramp) == extent[1] else ramp[None, :, None]
    plane = np.broadcast_to(np.array(rgb, float), (extent[1], extent[0], 3)) + field
    return Image.fromarray(plane.clip(0, 255).astype(np.uint8))


def develop(rng: random.Random, image: Image.Image, frame: Canvas) -> Image.Image:
    """Bring the drawing to its size and give it the wear of real files: blur, noise and JPEG blocks, a little."""
    if frame.scale > 1:
        image = image.resize((frame.width, frame.height), Image.Resampling.BOX)
    if rng.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.008 * frame.short + 0.3)))
    if rng.random() < 0.15:
        image = _shifted(image, _noise(rng, rng.uniform(1, 5), frame.height, frame.width))
    if rng.random() < 0.3:
        image.save(file := io.BytesIO(), "JPEG", quality=rng.randint(45, 95))
        image = Image.open(file).convert("RGB")
    return image


def painted(rng: random.Random, image: Image.Image) -> Image.Image:
    """Redraw a picture as a small painter would: soft edges, blurred corners, drifting colours, faint blocks."""
    width, height = image.size
    side = 128 / max(width, height)
    width, height = max(64, round(width * side)), max(64, round(height * side))
    coarse = 1 / rng.uniform(1.2, 3)
    soft = image.resize((round(width * coarse), round(height * coarse)), Image.Resampling.BOX)
    soft = soft.resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        soft = _blurred_corners(soft, rng.uniform(1, 3))
    cells = rng.choice((4, 8, 16))
    drift = _spread(_noise(rng, rng.uniform(2, 10), 4, 4), width, height, Image.Resampling.BICUBIC)
    blocks = _spread(
        _noise(rng, rng.uniform(0, 5), height // cells, width // cells), width, height, Image.Resampling.NEAREST
    )
    return _shifted(soft, drift + blocks + _noise(rng, rng.uniform(0, 5), height, width))


def _noise(rng: random.Random, strength: float, height: int, width: int) -> np.ndarray:
    return strength * np.random.default_rng(rng.getrandbits(32)).standard_normal((height, width, 3), np.float32)


def _spread(field: np.ndarray, width: int, height: int, way: Image.Resampling) -> np.ndarray:
    planes = [Image.fromarray(field[..., channel]).resize((width, height), way) for channel in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], -1)


def _shifted(image: Image.Image, field: np.ndarray) -> Image.Image:
    return Image.fromarray((np.asarray(image, np.float32) + field).clip(0, 255).astype(np.uint8))


def _blurred_corners(image: Image.Image, radius: float) -> Image.Image:
    down, across = np.linspace(-1, 1, image.height)[:, None], np.linspace(-1, 1, image.width)
    mask = Image.fromarray(((np.abs(down * across)) * 255).astype(np.uint8))
    return Image.composite(image.filter(ImageFilter.GaussianBlur(radius)), image, mask)
