"""Values with many spellings: each has one meaning or is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_compat.api.fields import parse_granularities, parse_size
from tests.anything import ANYTHING


@pytest.mark.parametrize(
    ("spelling", "size"),
    [("512x256", (512, 256)), (" 64X64 ", (64, 64)), ("1200×630", (1200, 630)), ("auto", None), ("", None)],
)
def test_a_size_is_read(spelling: str, size: tuple[int, int] | None) -> None:
    assert parse_size(spelling) == size


@given(st.integers(16, 4096), st.integers(16, 4096))
def test_all_sides_within_bounds_are_a_size(width: int, height: int) -> None:
    assert parse_size(f"{width}x{height}") == (width, height)


@given(ANYTHING)
def test_any_other_size_is_refused(value: object) -> None:
    try:
        size = parse_size(value)
    except ValueError:
        return

    assert size is None or all(16 <= side <= 4096 for side in size)


@given(
    st.lists(st.sampled_from(["word", "segment"]), min_size=1),
    st.sampled_from(
        [list, ",".join, " , ".join, lambda names: str(names).replace("'", '"'), lambda names: [",".join(names)]]
    ),
)
def test_every_spelling_of_granularities_means_the_same(names: list[str], spell: Callable[[list[str]], object]) -> None:
    assert parse_granularities(spell(names)) == set(names)


@given(ANYTHING)
def test_granularities_are_known_ones_or_refused(value: object) -> None:
    try:
        names = parse_granularities(value)
    except ValueError:
        return

    assert names <= {"word", "segment"}


def test_an_unknown_granularity_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match='give "word", "segment" or both'):
        parse_granularities("letter")
