"""The files that the clients send: an image, a short and a long recording."""

import base64
import wave
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from model_runtime.media.audio import decode_audio

CLIPS = Path(__file__).parents[1] / "clips"
LONG_REPEATS = 6
"""About half a minute of speech."""


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """Paths of the files."""

    picture: Path
    short: Path
    long: Path

    @property
    def picture_url(self) -> str:
        """The image as a data: URL."""
        return f"data:image/png;base64,{base64.b64encode(self.picture.read_bytes()).decode()}"


def make_media(folder: Path) -> MediaFiles:
    """Write the files and return their paths."""
    picture, long = folder / "circle.png", folder / "long.wav"
    canvas = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(canvas).ellipse((32, 32, 96, 96), fill="red")
    canvas.save(picture)
    speech = decode_audio((CLIPS / "two-sentences.flac").read_bytes())
    with wave.open(str(long), "wb") as file:
        file.setparams((1, 2, speech.sample_rate, 0, "NONE", ""))
        file.writeframes(bytes(speech.pcm) * LONG_REPEATS)
    return MediaFiles(picture, CLIPS / "forty-two.flac", long)
