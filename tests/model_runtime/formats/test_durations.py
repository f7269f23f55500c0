"""How long a model stays: many spellings, one meaning, never a crash."""

import math

import pytest
from hypothesis import given

from model_runtime.formats.durations import parse_keep_alive
from tests.anything import ANYTHING


@pytest.mark.parametrize(
    ("spelling", "seconds"),
    [
        (300, 300.0),
        (0, 0.0),
        (-1, -1.0),
        (-7.5, -1.0),
        ("0", 0.0),
        ("-1", -1.0),
        ("90", 90.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        (" 2.5S ", 2.5),
        ("250ms", 0.25),
        ("-1m", -1.0),
        ("1d", 86_400.0),
    ],
    ids=repr,
)
@pytest.mark.promise("openai:keep-alive")
def test_keep_alive_is_read_as_ollama_writes_it(spelling: object, seconds: float) -> None:
    assert parse_keep_alive(spelling) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "spelling",
    [True, None, "", "soon", "10 m", "m", "nan", "inf", "1e99", math.inf, math.nan, 10**400, []],
    ids=lambda value: repr(value)[:9],
)
def test_keep_alive_that_means_nothing_is_refused_with_advice(spelling: object) -> None:
    with pytest.raises(ValueError, match='a duration \\("10m"\\)'):
        parse_keep_alive(spelling)


@pytest.mark.parametrize("value", [1e9, 10**9, "1e9", "1000000000s"])
def test_keep_alive_may_be_a_thousand_million_seconds_and_no_longer(value: float | str) -> None:
    longer = "1000000001s" if isinstance(value, str) else value + 1

    assert parse_keep_alive(value) == 1e9
    with pytest.raises(ValueError, match="give seconds"):
        parse_keep_alive(longer)


@given(ANYTHING)
def test_keep_alive_is_seconds_or_refused(value: object) -> None:
    try:
        seconds = parse_keep_alive(value)
    except ValueError:
        return

    assert seconds == -1.0 or 0 <= seconds <= 1e9
