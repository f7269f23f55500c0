"""Pictures come in safe and upright, and go out with what they were drawn from."""

import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from model_runtime.errors import InvalidMedia
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.images import (
    MAX_BYTES,
    MAX_DECODING_BYTES,
    MODEL_PIXELS,
    decode_image,
    decode_mask,
    decoding_bytes,
    encode_image,
    encode_preview,
    from_pillow,
    read_provenance,
    resize_to_fit,
    to_pillow,
)
from model_runtime.media.types import ImageData
from tests.model_runtime.media.bombs import IMAGE_BOMBS, huge_png, lossy_webp, progressive_jpeg

RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)
RED_PHOTO, BLUE = (220, 30, 30), (30, 30, 220)
PHOTOS = Path(__file__).parent / "photos"
"""HEIC files, written by pillow-heif: what is installed with Senses decodes only."""


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixel(picture: ImageData, x: int, y: int) -> tuple[int, int, int]:
    """One pixel."""
    at = 3 * (y * picture.width + x)
    red, green, blue = picture.rgb[at : at + 3]
    return red, green, blue


def near(colour: tuple[int, int, int], wanted: tuple[int, int, int], by: int = 6) -> bool:
    """Equal up to what lossy formats change."""
    return all(abs(one - other) <= by for one, other in zip(colour, wanted, strict=True))


def noise(width: int, height: int) -> Image.Image:
    """The hardest thing to compress."""
    return Image.effect_noise((width, height), 90).convert("RGB")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "MPO"])
@pytest.mark.promise("pictures:formats")
def test_common_formats_are_decoded_by_content(kind: str) -> None:
    picture = decode_image(file(Image.new("RGB", (5, 3), RED), kind))

    assert (picture.width, picture.height, len(picture.rgb)) == (5, 3, 45)
    assert near(pixel(picture, 2, 1), RED)


@pytest.mark.promise("pictures:formats")
def test_a_photo_of_an_iphone_is_decoded_and_stands_upright() -> None:
    """Both hold a picture of 64x48 pixels whose left half is blue; one says that it is turned to the right."""
    plain, turned = (decode_image((PHOTOS / f"{name}.heic").read_bytes()) for name in ("plain", "turned"))

    assert ((plain.width, plain.height), (turned.width, turned.height)) == ((64, 48), (48, 64))
    assert [near(pixel(plain, x, 24), colour) for x, colour in ((4, BLUE), (60, RED_PHOTO))] == [True, True]
    assert [near(pixel(turned, 24, y), colour) for y, colour in ((4, BLUE), (60, RED_PHOTO))] == [True, True]


@pytest.mark.promise("pictures:limits")
def test_a_photo_that_says_it_is_huge_is_refused_before_it_is_decoded() -> None:
    photo = bytearray((PHOTOS / "plain.heic").read_bytes())
    at = photo.index(b"ispe") + 8  # ISO/IEC 23008-12, 6.5.3
    photo[at : at + 8] = (20_000).to_bytes(4, "big") * 2

    with pytest.raises(InvalidMedia):
        decode_image(bytes(photo))


@pytest.mark.parametrize("size", [100, 400, 500])
def test_a_photo_that_was_cut_off_is_refused(size: int) -> None:
    with pytest.raises(InvalidMedia, match="truncated"):
        decode_image((PHOTOS / "plain.heic").read_bytes()[:size])


def test_a_photo_taken_sideways_stands_upright() -> None:
    image = Image.new("RGB", (32, 16), RED)
    image.paste(GREEN, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6

    picture = decode_image(file(image, "JPEG", exif=exif, quality=95))

    assert (picture.width, picture.height) == (16, 32)
    assert near(pixel(picture, 8, 4), RED)
    assert near(pixel(picture, 8, 28), GREEN)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_does_not_cost_the_picture() -> None:
    data = file(Image.new("RGB", (8, 8), RED), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")

    assert near(pixel(decode_image(data), 4, 4), RED)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 255))

    picture = decode_image(file(clear, "PNG"))

    assert [pixel(picture, x, 0) for x in (0, 1)] == [WHITE, RED]


def test_a_palette_with_a_transparent_entry_is_laid_on_white() -> None:
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([0, 0, 0, *RED])
    indexed.putpixel((1, 0), 1)

    picture = decode_image(file(indexed, "PNG", transparency=0))

    assert [pixel(picture, x, 0) for x in (0, 1)] == [WHITE, RED]


def test_sixteen_bit_grey_keeps_its_range() -> None:
    grey = Image.new("I;16", (3, 1))
    for x, value in enumerate((0, 0x8000, 0xFFFF)):
        grey.putpixel((x, 0), value)

    picture = decode_image(file(grey, "PNG"))

    assert [pixel(picture, x, 0)[0] for x in range(3)] == [0, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr"])
def test_every_usual_colour_mode_becomes_rgb(mode: str) -> None:
    kind = "PNG" if mode in ("1", "L", "LA", "P") else "JPEG"

    picture = decode_image(file(Image.new(mode, (8, 8)), kind))

    assert len(picture.rgb) == 8 * 8 * 3


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]

    picture = decode_image(file(frames[0], "GIF", save_all=True, append_images=frames[1:]))

    assert pixel(picture, 0, 0) == RED


@pytest.mark.promise("pictures:refused-in-words")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        ("not a picture, a secret: żółć".encode(), "text file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "truncated"),
        (b"\0\0\0\x18ftypavif" + bytes(40), "truncated"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "video"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "recording"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(range(128, 256)), "not PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "text file"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence_that_says_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words) as refused:
        decode_image(data, param="image_path")

    assert refused.value.code == "image_parse_error"
    assert refused.value.param == "image_path"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF"])
def test_a_picture_that_was_cut_off_is_refused(kind: str) -> None:
    whole = file(noise(64, 64), kind)

    with pytest.raises(InvalidMedia, match="truncated"):
        decode_image(whole[: len(whole) // 2])


@pytest.mark.promise("pictures:limits")
@pytest.mark.parametrize("side", [10_001, 12_000, 60_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(InvalidMedia, match="100 megapixels"):
        decode_image(huge_png(side, side))


@pytest.mark.promise("reliability:bombs")
@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("kind", IMAGE_BOMBS)
def test_a_bomb_of_every_format_is_refused_with_its_pixels_and_the_limit(kind: str) -> None:
    with pytest.raises(InvalidMedia, match=r"has \d+\.\d megapixels; at most 100 megapixels") as refused:
        decode_image(IMAGE_BOMBS[kind])

    assert refused.value.code == "image_parse_error"


@pytest.mark.promise("reliability:model-sized")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize(("size", "shrunk"), [((40, 10), (20, 5)), ((90, 60), (12, 8)), ((13, 8), (12, 7))])
def test_a_picture_is_shrunk_to_what_a_model_looks_at(
    mode: str, size: tuple[int, int], shrunk: tuple[int, int]
) -> None:
    picture = decode_image(file(Image.new("RGB", size, RED).convert(mode), "PNG"), max_pixels=100)

    assert (picture.width, picture.height) == shrunk
    assert picture.file_size == size
    assert len(picture.rgb) == 3 * shrunk[0] * shrunk[1]


@pytest.mark.promise("reliability:model-sized")
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size() -> None:
    jpeg = file(Image.new("RGB", (4_000, 3_000), RED), "JPEG")

    assert decoding_bytes(jpeg, param="image", max_pixels=100_000) < 4_000 * 3_000
    assert near(pixel(decode_image(jpeg, max_pixels=100_000), 5, 5), RED)


@pytest.mark.promise("reliability:model-sized")
def test_the_memory_of_a_picture_depends_on_its_format() -> None:
    plain, progressive, webp = (
        decoding_bytes(picture(9_000, 9_000), param="image", max_pixels=MODEL_PIXELS)
        for picture in (huge_png, progressive_jpeg, lossy_webp)
    )

    assert plain < MAX_DECODING_BYTES < progressive
    assert webp > 2 * plain


@pytest.mark.promise("reliability:model-sized")
@pytest.mark.parametrize("side", [4_096, 8_191, 8_192, 10_000])
def test_no_plain_picture_takes_too_much_memory(side: int) -> None:
    assert decoding_bytes(huge_png(side, side), param="image", max_pixels=MODEL_PIXELS) <= MAX_DECODING_BYTES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_shrunk_picture_is_turned_as_one_of_full_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    corners = Image.new("RGB", (80, 40), "white")
    corners.paste("red", (0, 0, 40, 20))
    picture = file(corners, "PNG", exif=exif)

    full, shrunk = decode_image(picture), decode_image(picture, max_pixels=200)

    expected = to_pillow(full).resize((shrunk.width, shrunk.height), Image.Resampling.BOX)
    assert shrunk.rgb == expected.tobytes()


def test_the_sides_of_a_turned_file_are_those_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6

    picture = decode_image(file(Image.new("RGB", (80, 40), RED), "JPEG", exif=exif), max_pixels=800)

    assert (picture.width, picture.height) == (20, 40)
    assert picture.file_size == (40, 80)


def test_shrinking_leaves_no_seams() -> None:
    gradient = Image.linear_gradient("L").resize((2_000, 2_000)).convert("RGB")

    picture = decode_image(file(gradient, "PNG"), max_pixels=1_000_000)

    column = [pixel(picture, 500, y)[0] for y in range(picture.height)]
    assert max(abs(one - next_one) for one, next_one in pairwise(column)) <= 1


@pytest.mark.filterwarnings("ignore:Image size")
def test_too_many_pixels_are_refused_where_warnings_are_off() -> None:
    with pytest.raises(InvalidMedia, match="100 megapixels"):
        decode_image(huge_png(10_001, 10_001))


def test_too_many_bytes_are_refused_unread() -> None:
    with pytest.raises(InvalidMedia, match="at most 50 MB"):
        decode_image(bytes(MAX_BYTES + 1))


@given(st.data())
def test_damaged_files_decode_or_are_refused_and_nothing_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "GIF", "TIFF", "WEBP", "JPEG", "BMP", "AVIF", "HEIF"]))
    photo = (PHOTOS / "turned.heic").read_bytes()
    whole = bytearray(photo if kind == "HEIF" else file(Image.linear_gradient("L").resize((24, 24)), kind))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        whole[place] = data.draw(st.integers(0, 255))

    try:
        picture = decode_image(bytes(whole))
    except InvalidMedia:
        return
    assert len(picture.rgb) == picture.width * picture.height * 3


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(InvalidMedia, match=r"^The image .*\.$"):
        decode_image(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_survives_encoding(kind: str) -> None:
    picture = ImageData(8, 8, bytes(RED) * 64)

    again = decode_image(encode_image(picture, kind))  # type: ignore[arg-type]

    assert near(pixel(again, 4, 4), RED)


def test_encoding_a_png_as_png_changes_nothing() -> None:
    png = encode_pillow(Image.new("RGB", (4, 4), RED), "png", provenance="a star")

    assert encode_image(png, "png") is png


@pytest.mark.promise("pictures:parameters-kept")
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats_keep_what_the_picture_was_drawn_from(kind: str) -> None:
    text = "ein grüner Stern ★\nSteps: 4, Seed: 7"
    png = encode_pillow(Image.new("RGB", (4, 4), RED), "png", provenance=text)
    copy = io.BytesIO(encode_image(png, kind))  # type: ignore[arg-type]

    assert read_provenance(copy) == text
    assert copy.tell() == 0


def test_the_comment_is_where_other_tools_look_for_it() -> None:
    """piexif, which AUTOMATIC1111's web UI reads with, wants big-endian UTF-16 after the name of the character set."""
    jpeg = encode_pillow(Image.new("RGB", (4, 4), RED), "jpeg", provenance="★")

    with Image.open(io.BytesIO(jpeg)) as image:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment == b"UNICODE\0\x26\x05"


@pytest.mark.parametrize("data", [b"", b"no picture", file(Image.new("RGB", (4, 4), RED), "PNG")])
def test_a_file_without_such_a_text_says_nothing(data: bytes) -> None:
    assert read_provenance(io.BytesIO(data)) == ""


def test_a_lower_quality_is_smaller() -> None:
    picture = from_pillow(noise(64, 64))

    assert len(encode_image(picture, "jpeg", 20)) < len(encode_image(picture, "jpeg", 90))


@pytest.mark.promise("pictures:preview-fits")
def test_a_preview_goes_down_the_ladder_until_it_fits() -> None:
    png = file(noise(1024, 512), "PNG")
    whole, _, _ = encode_preview(png, 768, 10_000_000)

    middle, width, height = encode_preview(png, 768, len(whole) - 1)

    assert (width, height) == (512, 256)
    assert len(middle) < len(whole)
    assert decode_image(middle).width == 512


def test_a_preview_that_cannot_fit_is_the_smallest() -> None:
    _, width, height = encode_preview(file(noise(1024, 1024), "PNG"), 512, 10)

    assert (width, height) == (384, 384)


@pytest.mark.parametrize("side", [20, 21])
def test_an_image_that_fits_is_not_drawn_again(side: int) -> None:
    image = ImageData(20, 10, bytes(600))

    assert resize_to_fit(image, side) is image


def test_a_preview_never_enlarges() -> None:
    _, width, height = encode_preview(file(Image.new("RGB", (64, 40)), "PNG"), 768, 700_000)

    assert (width, height) == (64, 40)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 100))
def test_resizing_keeps_within_the_side_and_keeps_the_shape(width: int, height: int, side: int) -> None:
    small = resize_to_fit(ImageData(width, height, bytes(width * height * 3)), side)

    assert max(small.width, small.height) <= side or max(width, height) <= side
    assert min(small.width, small.height) >= 1
    assert abs(small.width * height - small.height * width) <= max(width, height) + 1
    assert len(small.rgb) == small.width * small.height * 3


def test_pillow_and_back_is_the_same_picture() -> None:
    picture = from_pillow(noise(7, 5))

    assert from_pillow(to_pillow(picture)) == picture


def mask_image(size: tuple[int, int], hole: tuple[int, int, int, int]) -> Image.Image:
    """An opaque picture with a transparent hole."""
    image = Image.new("RGBA", size, (10, 20, 30, 255))
    image.paste((0, 0, 0, 0), hole)
    return image


@pytest.mark.promise("image:mask")
def test_a_mask_is_white_where_its_file_is_transparent_and_as_upright_as_its_picture() -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    data = file(mask_image((40, 20), (0, 0, 40, 5)), "PNG", exif=turned)

    mask, picture = decode_mask(data, param="mask"), decode_image(data)

    assert (mask.width, mask.height) == (picture.width, picture.height) == (20, 40)
    assert (pixel(mask, 19, 0), pixel(mask, 14, 0)) == (WHITE, (0, 0, 0))


def test_a_mask_shrinks_to_the_size_of_its_picture_and_blends_half_transparency() -> None:
    data = file(Image.new("RGBA", (200, 100), (0, 0, 0, 100)), "PNG")

    mask, picture = (decode(data, param="mask", max_pixels=5000) for decode in (decode_mask, decode_image))

    assert (mask.width, mask.height, mask.file_size) == (picture.width, picture.height, picture.file_size)
    assert pixel(mask, 5, 5) == (155, 155, 155)


@pytest.mark.parametrize(("mode", "words"), [("RGB", "no alpha channel"), ("RGBA", "every pixel is opaque")])
def test_a_mask_that_lets_nothing_change_is_refused(mode: str, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words):
        decode_mask(
            file(Image.new(mode, (8, 8)) if mode == "RGB" else mask_image((8, 8), (0, 0, 0, 0)), "PNG"), param="mask"
        )
