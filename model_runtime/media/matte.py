"""Cut a subject out of a plain background.

A flood matte: every pixel of the background's colour that is connected to the border becomes transparent, so a white
eye stays white on a white background. At its edge a pixel is a mixture of subject and background, C = aF + (1 - a)B
(Porter and Duff, 1984); F is the mean colour of the subject nearby, and the alpha a is solved for it.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from model_runtime.errors import InvalidInput

Mask = npt.NDArray[np.bool_]
Pixel = TypeVar("Pixel", np.uint8, np.bool_)
Colour = tuple[int, int, int]

TOLERANCE = 24
"""How far a pixel of the background may be from its colour, in the channel that differs most, of 255."""
PLAIN_SHARE = 0.97
"""The part of the border that must have the background's colour."""
EDGE_PIXELS = 2
"""The width of the edge in which subject and background mix."""


def cut_out(image: Image.Image) -> Image.Image:
    """Return the picture as RGBA with a transparent background.

    Raises:
        InvalidInput: the border has more than one colour, or nothing stands out from it.
    """
    rgb = image.convert("RGB")
    background = _border_colour(rgb)
    difference = _difference(rgb, background)
    is_near = difference <= TOLERANCE
    plain_share = float(_border(is_near).mean())
    if plain_share < PLAIN_SHARE:
        raise _not_possible(f"only {plain_share:.0%} of its border has one colour")
    is_background = connected_to_border(is_near)
    if is_background.all():
        raise _not_possible("nothing in it stands out from its background")
    return _blend_edge(rgb, background, difference, is_background)


def connected_to_border(mask: Mask) -> Mask:
    """Return the pixels of `mask` (height, width) that touch the border over pixels of `mask`."""
    reached = np.zeros_like(mask)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        reached[edge] = mask[edge]
    count = -1
    while count != (count := int(reached.sum())):
        reached = _fill_rows(_fill_rows(reached, mask).T, mask.T).T
    return reached


def _fill_rows(reached: Mask, mask: Mask) -> Mask:
    """Return every run of `mask` along a row that holds a reached pixel."""
    starts = np.diff(mask, axis=1, prepend=~mask[:, :1])  # the first pixel of a row always starts a run
    run_ids = np.cumsum(starts.ravel(), dtype=np.int32).reshape(mask.shape) - 1
    is_hit = np.zeros(run_ids[-1, -1] + 1, dtype=bool)
    is_hit[run_ids[reached]] = True
    filled: Mask = is_hit[run_ids] & mask
    return filled


def _blend_edge(
    rgb: Image.Image, background: Colour, difference: npt.NDArray[np.uint8], is_background: Mask
) -> Image.Image:
    """Return RGBA: transparent where the background is, opaque in the subject, mixed where they meet."""
    far_background = Image.fromarray(is_background).convert("L")
    near_edge = np.asarray(far_background.filter(ImageFilter.MaxFilter(2 * EDGE_PIXELS + 1))) > 0
    edge = near_edge & ~is_background
    pixels, alpha = np.array(rgb), np.where(is_background, 0, 255).astype(np.uint8)
    peaks = np.asarray(Image.fromarray(difference).filter(ImageFilter.MaxFilter(2 * EDGE_PIXELS + 1))) == difference
    subject, is_known = _mean_colours(rgb, ~near_edge | (peaks & edge), edge)  # of a thin line, its middle
    contrast, mixture = subject - background, pixels[edge] - np.array(background, dtype=np.float32)
    solved = (contrast * mixture).sum(1) / np.maximum((contrast * contrast).sum(1), 1)
    opacity = np.clip(np.where(is_known, solved, 1), 0, 1)
    alpha[edge] = np.rint(opacity * 255)
    pixels[edge] = np.where((is_known & (opacity < 1))[:, None], subject, pixels[edge])
    return Image.merge("RGBA", [*Image.fromarray(pixels).split(), Image.fromarray(alpha)])


def _mean_colours(rgb: Image.Image, is_subject: Mask, where: Mask) -> tuple[npt.NDArray[np.float32], Mask]:
    """Return the subject's mean colour around each pixel of `where`, float32 (pixels, 3), and whether there is any."""
    subject = Image.fromarray(is_subject).convert("L")
    blur = ImageFilter.BoxBlur(EDGE_PIXELS + 1)
    weights = np.asarray(subject.filter(blur))[where].astype(np.float32)[:, None]
    black = Image.new("RGB", rgb.size)
    sums = np.asarray(Image.composite(rgb, black, subject).filter(blur))[where].astype(np.float32)
    return np.clip(sums * 255 / np.maximum(weights, 1), 0, 255), weights[:, 0] > 0


def _difference(rgb: Image.Image, colour: Colour) -> npt.NDArray[np.uint8]:
    """Return how far each pixel is from `colour` in the channel that differs most, uint8 (height, width)."""
    red, green, blue = ImageChops.difference(rgb, Image.new("RGB", rgb.size, colour)).split()
    return np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))


def _border_colour(rgb: Image.Image) -> Colour:
    red, green, blue = (int(np.median(_border(np.asarray(channel)))) for channel in rgb.split())
    return red, green, blue


def _border(pixels: npt.NDArray[Pixel]) -> npt.NDArray[Pixel]:
    """Return the outermost pixels of (height, width) in a row."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _not_possible(reason: str) -> InvalidInput:
    return InvalidInput(
        f'The background cannot be made transparent: {reason}. Draw the picture again with "on a plain white '
        'background" in its prompt, or save it without transparent.',
        param="transparent",
        code="background_not_plain",
    )
