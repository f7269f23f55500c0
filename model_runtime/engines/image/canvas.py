"""Fit pictures between the requested size and a model's own: some models generate squares of one small size only."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from model_runtime.media.images import to_pillow
from model_runtime.media.types import ImageData


@dataclass(frozen=True, slots=True)
class OutputCanvas:
    """The requested size, and the side of the square that the model generates (0 = any size), in pixels."""

    width: int
    height: int
    native_side: int = 0

    @property
    def generated_size(self) -> tuple[int, int]:
        """Width and height that the model generates, in pixels."""
        return (self.native_side, self.native_side) if self.native_side else (self.width, self.height)

    @property
    def size_warning(self) -> str:
        """A warning if the picture is scaled to the requested size, else ""."""
        if self.generated_size == (self.width, self.height):
            return ""
        side = self.native_side
        return (
            f"This model generates {side}x{side} pixels; the picture was scaled to {self.width}x{self.height} and "
            "shows no more detail than that."
        )

    def fit_source(self, source: ImageData) -> Image.Image:
        """Return a source picture at the generated size: scaled to cover it and cropped around its center."""
        return ImageOps.fit(to_pillow(source), self.generated_size, Image.Resampling.LANCZOS)

    def fit_output(self, image: Image.Image) -> Image.Image:
        """Return a generated picture at the requested size: scaled to fit it, then padded by repeating its edges."""
        if image.size == (self.width, self.height):
            return image
        scaled = ImageOps.contain(image, (self.width, self.height), Image.Resampling.BICUBIC)
        left, top = (self.width - scaled.width) // 2, (self.height - scaled.height) // 2
        margins = ((top, self.height - scaled.height - top), (left, self.width - scaled.width - left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(scaled), margins, mode="edge"))
