"""The pictures and the recordings that suites send. The starter knows what they show, and `listener` what they say."""

import wave
from pathlib import Path

from PIL import Image

from tests.end_to_end.pictures import draw_circle, draw_square_right_of_circle

SIDEWAYS = 6
"""The orientation of EXIF of a camera that was held upright: viewers turn the picture clockwise."""


def write_media(folder: Path) -> Path:
    """Write all files into a folder and return it."""
    from tests.checkpoints import tone_whisper  # imports MLX, which takes a second

    folder.mkdir()
    draw_circle(folder / "circle.png", "blue")
    draw_circle(folder / "red.png", "red")
    upright = draw_square_right_of_circle(folder / "upright.png", "red", "blue")
    with Image.open(upright) as picture:
        exif = Image.Exif()
        exif[0x0112] = SIDEWAYS
        picture.transpose(Image.Transpose.ROTATE_90).save(folder / "sideways.jpeg", exif=exif, quality=95)
    draw_circle(folder / "small.png", "blue", side=64)
    draw_circle(folder / "other.png", "red", side=64)
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    mask.save(folder / "mask.png")
    for name, tone in (("recording.wav", tone_whisper.MIDDLE), ("foreign.wav", tone_whisper.LOW)):
        write_wav(folder / name, (tone_whisper.sound(tone, 3.0) * 32_767).astype("<i2").tobytes())
    return folder


def write_wav(path: Path, samples: bytes) -> None:
    """Write samples of 16 bits, 16 kHz, mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples)
