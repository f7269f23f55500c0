"""The metadata of a picture say what it was drawn from, in words that other tools read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.media.provenance import Provenance, format_provenance, parse_provenance

DRAWN = Provenance("a red circle", "image-fast", 7, 4, 1200, 630)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
PARAMETERS = st.builds(
    Provenance,
    prompt=TEXT,
    model=TEXT.map(str.strip).filter(bool),
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 50),
    width=st.integers(16, 4096),
    height=st.integers(16, 4096),
    strength=st.none() | st.floats(0, 1),
)


def test_the_text_is_that_of_the_most_used_web_ui() -> None:
    expected = "a red circle\nSteps: 4, Seed: 7, Size: 1200x630, Model: image-fast, Version: Senses"

    assert format_provenance(DRAWN) == expected


@given(PARAMETERS)
def test_what_is_written_is_read_again(provenance: Provenance) -> None:
    assert parse_provenance(format_provenance(provenance)) == provenance


def test_a_picture_of_another_program_is_understood() -> None:
    text = (
        "a cat, masterpiece\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, "
        'Seed: 965400086, Size: 512x512, Model hash: 31e35c80fc, Model: sd_xl, Lora hashes: "a: 1, b: 2", Version: v1.6.0'
    )

    assert parse_provenance(text) == Provenance(
        "a cat, masterpiece\nNegative prompt: dog", "sd_xl", 965400086, 20, 512, 512
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red circle",
        '{"prompt": "a red circle", "seed": 7}',
        "a\nSteps: 4, Seed: 7, Model: m",
        "a\nSteps: many, Seed: 7, Size: 1x1, Model: m",
        'a\nSteps: 4, Seed: 7, Size: 1x1, Model: "m',
        "a" * 20_000 + "\nSteps: 4, Seed: 7, Size: 1x1, Model: m",
    ],
)
def test_any_other_text_says_nothing(text: str) -> None:
    assert parse_provenance(text) is None


def test_a_last_line_that_would_take_long_to_read_says_nothing() -> None:
    line = "Steps: 4, Seed: 7, Size: 8x8, Model: m, Extra: "

    read = [parse_provenance(f"a cat\n{line}{'a' * (length - len(line))}") for length in (2_000, 2_001)]

    assert [found is not None for found in read] == [True, False]


@given(st.text(max_size=400))
def test_no_text_is_an_error(text: str) -> None:
    parse_provenance("a\nSteps: 4, Seed: 7, Size: 1x1, " + text)
