"""How a requested size relates to the size a model draws at. Models trained for one small size keep to it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from model_runtime.media.images import to_pillow
from model_runtime.media.types import ImageData


@dataclass(frozen=True, slots=True)
class OutputCanvas:
    """The size asked for, and the side of the square the model draws; 0 where it draws any size. All in pixels."""

    width: int
    height: int
    native_side: int = 0

    @property
    def generated_size(self) -> tuple[int, int]:
        """Width and height that the model draws."""
        return (self.native_side, self.native_side) if self.native_side else (self.width, self.height)

    @property
    def size_warning(self) -> str:
        """What the caller should know about the size; "" where it was drawn as asked."""
        if self.generated_size == (self.width, self.height):
            return ""
        side = self.native_side
        return (
            f"This model draws {side}x{side} pixels; the picture was scaled to {self.width}x{self.height} and shows "
            "no more detail than that."
        )

    def fit_source(self, source: ImageData) -> Image.Image:
        """Return a source picture at the drawn size: scaled to cover it, cropped in the middle."""
        return ImageOps.fit(to_pillow(source), self.generated_size, Image.Resampling.LANCZOS)

    def fit_output(self, image: Image.Image) -> Image.Image:
        """Bring a drawn picture to the size asked for: as large as fits, its edges drawn out where that is narrower."""
        if image.size == (self.width, self.height):
            return image
        scaled = ImageOps.contain(image, (self.width, self.height), Image.Resampling.BICUBIC)
        left, top = (self.width - scaled.width) // 2, (self.height - scaled.height) // 2
        margins = ((top, self.height - scaled.height - top), (left, self.width - scaled.width - left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(scaled), margins, mode="edge"))
