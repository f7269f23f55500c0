"""Pictures are encoded once, and what is kept of them is bounded."""

from collections.abc import Callable

import mlx.core as mx
import pytest

from model_runtime.engines.vision.feature_cache import VisionFeatureCache
from tests.model_runtime.engines.step_engine_driver import solid_picture

pytestmark = pytest.mark.engines

RED, BLUE, GREEN = solid_picture(2, 2, (255, 0, 0)), solid_picture(2, 2, (0, 0, 255)), solid_picture(2, 2, (0, 255, 0))


def encoder(seen: list[str], name: str) -> Callable[[], mx.array]:
    """Encode a picture to 100 numbers, and note it."""

    def encode() -> mx.array:
        seen.append(name)
        return mx.zeros(100)

    return encode


def test_the_same_pixels_are_encoded_once() -> None:
    seen: list[str] = []
    cache = VisionFeatureCache()

    for _ in range(3):
        cache.get_or_compute(solid_picture(2, 2, (255, 0, 0)), encoder(seen, "red"))

    assert seen == ["red"]


def test_a_picture_of_another_shape_with_the_same_bytes_is_another_picture() -> None:
    seen: list[str] = []
    cache = VisionFeatureCache()

    cache.get_or_compute(solid_picture(4, 1, (9, 9, 9)), encoder(seen, "wide"))
    cache.get_or_compute(solid_picture(1, 4, (9, 9, 9)), encoder(seen, "high"))

    assert seen == ["wide", "high"]


def test_the_picture_that_was_not_asked_about_for_longest_goes_first() -> None:
    seen: list[str] = []
    cache = VisionFeatureCache(limit_bytes=800)
    for picture, name in ((RED, "red"), (BLUE, "blue"), (RED, "red"), (GREEN, "green")):
        cache.get_or_compute(picture, encoder(seen, name))

    cache.get_or_compute(RED, encoder(seen, "red"))
    cache.get_or_compute(BLUE, encoder(seen, "blue"))

    assert seen == ["red", "blue", "green", "blue"]


def test_a_picture_larger_than_the_cache_is_not_kept() -> None:
    seen: list[str] = []
    cache = VisionFeatureCache(limit_bytes=100)

    cache.get_or_compute(RED, encoder(seen, "red"))
    cache.get_or_compute(RED, encoder(seen, "red"))

    assert seen == ["red", "red"]
