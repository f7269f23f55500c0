"""A subject is cut out of a plain background with soft edges, and what has no plain background is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFilter

from model_runtime.errors import InvalidInput
from model_runtime.media.matte import TOLERANCE, connected_to_border, cut_out

SIDE, SUBPIXELS = 128, 8
WHITE, RED, BLUE = (255, 255, 255), (200, 30, 40), (0, 0, 255)


def scene(background: tuple[int, int, int], subject: tuple[int, int, int] = RED) -> Image.Image:
    """A disc and a line of two pixels, with smooth edges."""
    large = Image.new("RGB", (SIDE * SUBPIXELS,) * 2, background)
    pen = ImageDraw.Draw(large)
    pen.ellipse([side * SUBPIXELS for side in (20, 30, 100, 110)], fill=subject)
    pen.line([side * SUBPIXELS for side in (5, 10, 120, 17)], fill=subject, width=2 * SUBPIXELS)
    return large.resize((SIDE, SIDE), Image.Resampling.BOX)


def on(background: tuple[int, int, int], cut: Image.Image) -> npt.NDArray[np.int16]:
    ground = Image.new("RGBA", cut.size, background)
    return np.asarray(Image.alpha_composite(ground, cut).convert("RGB")).astype(np.int16)


@pytest.mark.promise("pictures:matte")
@pytest.mark.parametrize(("before", "after"), [(WHITE, BLUE), (BLUE, WHITE), ((0, 0, 0), (90, 200, 90))])
def test_a_subject_on_another_background_looks_as_if_it_had_been_drawn_there(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    cut = cut_out(scene(before))

    off = np.abs(on(after, cut) - np.asarray(scene(after)).astype(np.int16)).max(axis=2)
    assert off.max() <= 2 * TOLERANCE
    assert off.mean() < 0.2


def test_noise_of_the_background_goes_with_it() -> None:
    noise = np.random.default_rng(1).integers(-8, 8, (SIDE, SIDE, 3))
    noisy = Image.fromarray(np.clip(np.asarray(scene((230, 230, 230))) + noise, 0, 255).astype(np.uint8))

    alpha = np.asarray(cut_out(noisy))[..., 3]

    assert (alpha[0] == 0).all()
    assert (alpha[60:80, 50:70] == 255).all()


def test_the_backgrounds_colour_inside_of_the_subject_stays() -> None:
    image = Image.new("RGB", (64, 64), WHITE)
    ImageDraw.Draw(image).ellipse([10, 10, 54, 54], fill=WHITE, outline=RED, width=6)

    alpha = np.asarray(cut_out(image))[..., 3]

    assert (alpha[0, 0], alpha[32, 32]) == (0, 255)


@pytest.mark.promise("pictures:matte-refused")
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.effect_noise((64, 64), 120).convert("RGB"), "of its border has one colour"),
        (Image.linear_gradient("L").convert("RGB"), "of its border has one colour"),
        (Image.new("RGB", (64, 64), RED), "nothing in it stands out"),
    ],
    ids=["noise", "gradient", "nothing"],
)
def test_what_has_no_plain_background_is_refused_with_what_to_do(image: Image.Image, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        cut_out(image)

    assert refused.value.param == "transparent"
    assert "plain white background" in refused.value.message


def test_a_winding_path_from_the_border_is_followed_to_its_end() -> None:
    spiral = np.zeros((11, 11), dtype=bool)
    for row, columns in ((0, range(11)), (2, range(9)), (4, range(4, 9)), (8, range(2, 11)), (10, range(11))):
        spiral[row, list(columns)] = True
    spiral[0:11, 10] = True
    spiral[8, 10] = spiral[10, 10] = True
    spiral[4:9, 2] = spiral[2:5, 8] = True
    spiral[5:8, 5] = False
    island = spiral.copy()
    island[6, 6] = True

    assert (connected_to_border(island) == spiral).all()


def test_a_blurred_edge_stays_soft() -> None:
    image = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(image).rectangle([20, 20, 44, 44], fill=255)
    black_on_white = Image.eval(image.filter(ImageFilter.GaussianBlur(1)), lambda value: 255 - value).convert("RGB")

    alpha = np.asarray(cut_out(black_on_white))[32, :, 3]

    assert any(20 < value < 235 for value in alpha)
    assert (alpha[0], alpha[32]) == (0, 255)
