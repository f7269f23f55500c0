"""Fit pictures between the requested size and the size that the model draws."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from model_runtime.drawing_size import drawn_size
from model_runtime.media.images import to_pillow
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage


@dataclass(frozen=True, slots=True)
class OutputCanvas:
    """The requested size, and what the model can draw: a square of `native_side` pixels only (0: other sizes, too), and
    no picture of fewer than `min_pixels`.
    """

    width: int
    height: int
    native_side: int = 0
    min_pixels: int = 0

    @property
    def generated_size(self) -> tuple[int, int]:
        """Width and height that the model generates, in pixels."""
        if self.native_side:
            return self.native_side, self.native_side
        return drawn_size(self.width, self.height, self.min_pixels)

    @property
    def size_warning(self) -> str:
        """A warning if the picture is brought to the requested size, else ""."""
        if self.generated_size == (self.width, self.height):
            return ""
        drawn, requested = "x".join(map(str, self.generated_size)), f"{self.width}x{self.height}"
        enlarged = " and shows no more detail than that" if self._scale > 1 else ""
        return f"This model generates {drawn} pixels; the picture was {self._change} to {requested}{enlarged}."

    def fit_source(self, source: ImageData) -> Image.Image:
        """Return a source picture at the generated size: scaled to cover it and cropped around its center."""
        return _fit(to_pillow(source), self.generated_size)

    def fit_output(self, image: Image.Image) -> Image.Image:
        """Return a generated picture at the requested size.

        The square of a model with one size keeps all its content: it is scaled to fit, and its edges are repeated. Any
        other picture has almost the requested shape: it is scaled to cover it and cropped around its center.
        """
        if image.size == (self.width, self.height) or not self.native_side:
            return _fit(image, (self.width, self.height))
        return self._pad(image)

    @property
    def _scale(self) -> float:
        """The factor that brings the generated picture to the requested size: to within it for a native square."""
        factors = [to / of for of, to in zip(self.generated_size, (self.width, self.height), strict=True)]
        return min(factors) if self.native_side else max(factors)

    @property
    def _change(self) -> str:
        scaled = [round(side * self._scale) for side in self.generated_size]
        is_cropped = not self.native_side and scaled != [self.width, self.height]
        return " and ".join(["scaled"] * (self._scale != 1 or not is_cropped) + ["cropped"] * is_cropped)

    def _pad(self, image: Image.Image) -> Image.Image:
        scaled = ImageOps.contain(image, (self.width, self.height), Image.Resampling.BICUBIC)
        left, top = (self.width - scaled.width) // 2, (self.height - scaled.height) // 2
        margins = ((top, self.height - scaled.height - top), (left, self.width - scaled.width - left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(scaled), margins, mode="edge"))


@dataclass(frozen=True, slots=True)
class KeptPixels:
    """What an edit leaves as it is: `picture` at the requested size, but where `mask` is white."""

    picture: Image.Image
    mask: Image.Image

    @classmethod
    def of(cls, request: GenerateImage) -> "KeptPixels | None":
        """Return what the mask of a request protects, None without a mask."""
        if request.mask is None or request.base is None:
            return None
        size = (request.width, request.height)
        return cls(_fit(to_pillow(request.base), size), _fit(to_pillow(request.mask).convert("L"), size))

    def restore(self, drawing: Image.Image) -> Image.Image:
        """Return a drawing with the protected pixels put back; grey parts of the mask blend."""
        return Image.composite(drawing, self.picture, self.mask)


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.LANCZOS)
