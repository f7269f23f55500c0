"""Bring a finished picture to the size, format and background of a file of a project."""

import io
from dataclasses import dataclass, replace

from PIL import Image, ImageOps

from model_runtime.drawing_size import MAX_DRAWN_PIXELS
from model_runtime.errors import InvalidInput
from model_runtime.media.image_encoding import provenance_text
from model_runtime.media.images import INPUT_FORMATS, size_within
from model_runtime.media.matte import cut_out

ICON_SIDES = (16, 32, 48, 64, 128, 256)
"""Pixels. An .ico holds at most 256 (https://en.wikipedia.org/wiki/ICO_(file_format))."""
DEFAULT_ICON_SIDE = 48


@dataclass(frozen=True, slots=True)
class Picture:
    """RGB or RGBA pixels, and the text that says what they were drawn from ("": nothing)."""

    image: Image.Image
    provenance: str = ""

    @property
    def size_text(self) -> str:
        """Width and height, as in "512x256"."""
        return f"{self.image.width}x{self.image.height}"


def open_picture(data: bytes, *, transparent: bool, keep_provenance: bool) -> Picture:
    """Decode one of our pictures; with `transparent` without its background.

    Raises:
        InvalidInput: the background is not plain.
    """
    with Image.open(io.BytesIO(data), formats=INPUT_FORMATS) as file:
        image = file.convert("RGB")
        text = provenance_text(file) if keep_provenance else ""
    return Picture(_without_background(image) if transparent else image, text)


def _without_background(image: Image.Image) -> Image.Image:
    """Cut the subject out at the size that a model draws at most: a larger picture was enlarged from it."""
    size = size_within(image.size, MAX_DRAWN_PIXELS)
    if size == image.size:
        return cut_out(image)
    return cut_out(image.resize(size, Image.Resampling.LANCZOS)).resize(image.size, Image.Resampling.LANCZOS)


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Return the picture at a size; a side of 0 follows from the other one. It covers the size and is cropped to it."""
    old = picture.image
    new_width = width or max(1, round(old.width * height / old.height)) if height or width else old.width
    new_height = height or max(1, round(old.height * new_width / old.width))
    if (new_width, new_height) == old.size:
        return picture
    return replace(picture, image=ImageOps.fit(old, (new_width, new_height), Image.Resampling.LANCZOS))


def resize_warnings(old: Picture, new: Picture) -> list[str]:
    """Return what a user should know of a change of size: that the picture was enlarged, or lost some of its border."""
    scale = max(new.image.width / old.image.width, new.image.height / old.image.height)
    enlarged = f"enlarged from {old.size_text}, so it shows no more detail than that" if scale > 1 else ""
    covered = [side * scale - 1 for side in old.image.size]
    is_cropped = covered[0] > new.image.width or covered[1] > new.image.height
    cropped = f"cropped to its shape: draw it at {new.size_text} to keep all of it" if is_cropped else ""
    changes = " and ".join(filter(None, (enlarged, cropped)))
    return [f"The picture of {new.size_text} was {changes}."] if changes else []


def flatten(picture: Picture, color: str = "white") -> Picture:
    """Return the picture without transparency, on a color."""
    if picture.image.mode != "RGBA":
        return picture
    ground = Image.new("RGBA", picture.image.size, color)
    return replace(picture, image=Image.alpha_composite(ground, picture.image).convert("RGB"))


def encode_icon(picture: Picture, largest_side: int = 0) -> tuple[bytes, list[int]]:
    """Return a Windows icon with all usual sizes up to `largest_side` pixels (0: 48), and its sides.

    Raises:
        InvalidInput: an icon cannot be that small or large.
    """
    largest = largest_side or DEFAULT_ICON_SIDE
    if not ICON_SIDES[0] <= largest <= ICON_SIDES[-1]:
        raise InvalidInput(
            f"An .ico holds {ICON_SIDES[0]} to {ICON_SIDES[-1]} pixels, not {largest}. Pass another width.",
            param="width",
        )
    sides = sorted({largest, *(side for side in ICON_SIDES if side < largest)})
    frames = [resize(picture, side, side).image for side in sides]
    out = io.BytesIO()
    frames[-1].save(out, "ICO", sizes=[frame.size for frame in frames], append_images=frames[:-1])
    return out.getvalue(), sides
