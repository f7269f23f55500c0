"""Colours in CIE L*a*b*: what is seen as far apart is far apart."""

import numpy as np
import pytest

from model_runtime.measuring.colors import to_lab


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((5, 5, 5), (1.371, 0, 0)),
        ((10, 0, 20), (1.039, 5.820, -7.801)),
        ((255, 0, 0), (53.241, 80.092, 67.203)),
        ((0, 128, 255), (54.715, 18.777, -70.918)),
        ((255, 255, 255), (100, 0, 0)),
    ],
)
def test_light_and_dark_colours_are_where_the_standard_has_them(
    color: tuple[int, int, int], expected: tuple[float, float, float]
) -> None:
    """Expected are the values of CIE 15:2004 in its other form, with κ = 24389/27 and ε = 216/24389."""
    found = to_lab(np.array(color, np.uint8))

    assert found == pytest.approx(expected, abs=0.001)
