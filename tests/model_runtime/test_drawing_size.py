"""Any size can be asked for; what a model draws for it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model_runtime.drawing_size import (
    DRAWN_SIDE_STEP,
    MAX_DRAWN_PIXELS,
    MAX_DRAWN_SIDE,
    MAX_SIDE,
    MIN_DRAWN_SIDE,
    MIN_SIDE,
    drawn_size,
)

SIDES = st.integers(MIN_SIDE, MAX_SIDE)


@pytest.mark.parametrize(
    ("requested", "drawn"),
    [
        ((16, 16), (64, 64)),
        ((180, 180), (192, 192)),
        ((512, 512), (512, 512)),
        ((600, 315), (608, 320)),
        ((1200, 630), (1200, 640)),
        ((1920, 1080), (1920, 1088)),
        ((2048, 2048), (2000, 2000)),
        ((4096, 4096), (2000, 2000)),
        ((4096, 2048), (2048, 1024)),
        ((16, 4096), (64, 2048)),
    ],
)
def test_the_size_that_is_drawn_for_a_size_of_the_web(requested: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert drawn_size(*requested) == drawn


@pytest.mark.parametrize(
    ("requested", "drawn"), [((16, 16), (320, 320)), ((180, 180), (320, 320)), ((96, 48), (448, 224))]
)
def test_a_model_never_draws_less_than_it_draws_well(requested: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert drawn_size(*requested, min_pixels=100_000) == drawn


@given(SIDES, SIDES, st.sampled_from([0, 100_000]))
@example(1977, 2025, 0)
@example(1985, 2016, 0)
def test_what_is_drawn_is_always_a_size_of_the_model(width: int, height: int, min_pixels: int) -> None:
    drawn = drawn_size(width, height, min_pixels)

    assert all(side % DRAWN_SIDE_STEP == 0 and MIN_DRAWN_SIDE <= side <= MAX_DRAWN_SIDE for side in drawn)
    assert drawn[0] * drawn[1] <= MAX_DRAWN_PIXELS


@given(st.integers(64, 1024), st.integers(64, 1024))
def test_what_is_drawn_covers_what_was_asked_for_with_less_than_one_step_of_excess(width: int, height: int) -> None:
    drawn = drawn_size(width, height)

    assert all(0 <= side - asked < DRAWN_SIDE_STEP for side, asked in zip(drawn, (width, height), strict=True))
