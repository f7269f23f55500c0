"""The pictures and the recording that suites send. The starters know what they show."""

import shutil
from pathlib import Path

from PIL import Image

from tests.end_to_end.conftest import CLIPS
from tests.end_to_end.pictures import draw_circle, draw_square_right_of_circle

SIDEWAYS = 6
"""The orientation of EXIF of a camera that was held upright: viewers turn the picture clockwise."""


def write_media(folder: Path) -> Path:
    """Write all files into a folder and return it."""
    draw_circle(folder / "circle.png", "blue")
    draw_circle(folder / "red.png", "red")
    upright = draw_square_right_of_circle(folder / "upright.png", "red", "blue")
    with Image.open(upright) as picture:
        exif = Image.Exif()
        exif[0x0112] = SIDEWAYS
        picture.transpose(Image.Transpose.ROTATE_90).save(folder / "sideways.jpeg", exif=exif, quality=95)
    mask = Image.new("RGBA", (320, 320), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 160, 320))
    mask.save(folder / "mask.png")
    shutil.copy(CLIPS / "red-circle-above-blue-square.flac", folder / "recording.flac")
    return folder
