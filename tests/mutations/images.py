"""Defects between a picture file and its pixels."""

from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps

from model_runtime.media.types import ImageData
from tests.mutations.mutation import Function, Mutation, always_return, change_argument, change_result, replace_with

IMAGES = "model_runtime.media.images"


def swap_red_and_blue(image: Image.Image) -> Image.Image:
    """Swap red and blue."""
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green, red))


def _wrong_exif_rotation(right: Function) -> Function:
    def broken(image: Image.Image, *arguments: Any) -> Any:
        lying = image.getexif().get(0x0112) in (6, 8)
        upright = right(image, *arguments)
        return upright.rotate(180) if lying else upright

    return broken


def _on_black(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")


def _without_alpha(image: Image.Image) -> Image.Image:
    return image.convert("RGBA").convert("RGB")


def _indices(image: Image.Image) -> Image.Image:
    return Image.frombytes("L", image.size, image.tobytes()) if image.mode == "P" else image


def _inverted_inks(image: Image.Image) -> Image.Image:
    return ImageChops.invert(image) if image.mode == "CMYK" else image


def _last_frame(image: Image.Image) -> Image.Image:
    image.seek(getattr(image, "n_frames", 1) - 1)
    return image


def _without_first_row_and_column(image: Image.Image) -> Image.Image:
    return image.crop((1, 1, image.width, image.height))


def _without_last_row_and_column(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, image.width - 1, image.height - 1))


def _middle_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    return ImageOps.fit(image, (side, side))


def _squeezed(image: Image.Image) -> Image.Image:
    return image.resize((min(image.size), min(image.size)))


def _sheared(picture: ImageData) -> ImageData:
    """Rows are read as if each were a pixel longer than it is."""
    pixels = np.frombuffer(picture.rgb, np.uint8).reshape(-1, 3)
    starts = np.arange(picture.height)[:, None] * (picture.width + 1)
    places = (starts + np.arange(picture.width)) % len(pixels)
    return ImageData(picture.width, picture.height, pixels[places].tobytes())


def _sides_swapped(picture: ImageData) -> ImageData:
    return ImageData(picture.height, picture.width, picture.content)


MUTATIONS = (
    Mutation("red and blue are swapped", f"{IMAGES}._to_rgb", change_result(swap_red_and_blue), "a red circle"),
    Mutation(
        "colours are lost",
        f"{IMAGES}._to_rgb",
        change_result(lambda image: image.convert("L").convert("RGB")),
        "a red circle",
    ),
    Mutation("mirrored", f"{IMAGES}._decode", change_result(ImageOps.mirror), "left of"),
    Mutation("upside down", f"{IMAGES}._decode", change_result(ImageOps.flip), "above"),
    Mutation("EXIF is ignored", "PIL.ImageOps.exif_transpose", always_return(None), "a turned JPEG"),
    Mutation("EXIF turns the wrong way", f"{IMAGES}._decode", _wrong_exif_rotation, "a turned JPEG"),
    Mutation("transparency lies on black", f"{IMAGES}._to_rgb", replace_with(_on_black), "a transparent PNG"),
    Mutation("alpha is dropped", f"{IMAGES}._to_rgb", replace_with(_without_alpha), "hidden colours"),
    Mutation(
        "a palette's transparency is forgotten",
        f"{IMAGES}._to_rgb",
        replace_with(lambda image: image.convert("RGB")),
        "a transparent palette",
    ),
    Mutation(
        "16 bits are clipped to 8",
        f"{IMAGES}._to_rgb",
        change_argument(lambda image: image.convert("L")),
        "a PNG of 16 grays",
    ),
    Mutation(
        "a palette's indices are taken for grays",
        f"{IMAGES}._to_rgb",
        change_argument(_indices),
        "a PNG with a palette",
    ),
    Mutation("inks are inverted", f"{IMAGES}._to_rgb", change_argument(_inverted_inks), "a CMYK JPEG"),
    Mutation(
        "the last frame is taken",
        f"{IMAGES}._decode",
        change_argument(_last_frame),
        "an animated GIF",
    ),
    Mutation(
        "the first row and column are cut off",
        f"{IMAGES}._decode",
        change_result(_without_first_row_and_column),
        "the first pixel",
    ),
    Mutation(
        "the last row and column are cut off",
        f"{IMAGES}._decode",
        change_result(_without_last_row_and_column),
        "the last pixel",
    ),
    Mutation(
        "only the middle square is kept",
        f"{IMAGES}._decode",
        change_result(_middle_square),
        "a wide picture",
    ),
    Mutation(
        "squeezed into a square",
        f"{IMAGES}._decode",
        change_result(_squeezed),
        "a square in a wide picture",
    ),
    Mutation("rows are a pixel too long", f"{IMAGES}.decode_image", change_result(_sheared), "a star on blue"),
    Mutation("width and height are swapped", f"{IMAGES}.decode_image", change_result(_sides_swapped), "a wide picture"),
)
