"""What counts as the same meaning, by examples and against the grammar the starters learned from."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.calls import meaning
from mcp_server.calls.meaning import agreement, has_same_meaning, parse_meaning
from starter_world import grammar

SAME = [
    ("a red circle", "A small red circle on a white background."),
    ("a red circle below a blue square", "A blue square above a red circle."),
    ("a red circle right of a blue square", "A blue square to the left of a red circle."),
    ("two red circles", "Two red circles on a blue background."),
    (
        "a green heart left of a red square left of a blue star",
        "A green heart left of a red square left of a blue star.",
    ),
    ("a gray ring", "There is a grey ring."),
    ("a large black star above a small pink heart", "A big black star is over a tiny pink heart."),
    ("a red circle on a blue background", "The image shows one red circle; the background is blue."),
    ("good morning", "Good morning!"),
]
OTHER = [
    ("a red circle", "A blue circle."),
    ("a red circle", "A red ring."),
    ("a red circle", "Two red circles."),
    ("a red circle", "A red circle and a blue square."),
    ("a red circle", "There is no red circle."),
    ("a red circle", ""),
    ("a small red circle", "A red circle."),
    ("a small red circle", "A large red circle."),
    ("two red circles", "Three red circles."),
    ("two red circles", "Red circles."),
    ("two red circles", "Two red circle."),
    ("a red circle on a blue background", "A red circle."),
    ("a red circle on a blue background", "A red circle on a white background."),
    ("a red circle above a blue square", "A blue square above a red circle."),
    ("a red circle above a blue square", "Above a red circle there is a blue square."),
    ("a red circle above a blue square", "A red circle left of a blue square."),
    ("a red circle above a blue square", "A red circle and a blue square."),
    ("good morning", "Good night."),
]  # fmt: skip


@pytest.mark.parametrize(("said", "seen"), SAME)
def test_a_caption_may_use_other_words_turn_round_and_add(said: str, seen: str) -> None:
    assert has_same_meaning(said, seen)


@pytest.mark.parametrize(("said", "seen"), OTHER)
def test_a_caption_may_not_contradict_or_leave_out(said: str, seen: str) -> None:
    assert not has_same_meaning(said, seen)


def test_the_vocabulary_is_the_world_of_the_starters() -> None:
    assert meaning.COLORS == grammar.COLORS
    assert meaning.SHAPES == grammar.SHAPES
    assert meaning.SIZES == grammar.SIZES
    assert set(meaning.COUNTS.values()) == set(grammar.COUNTS)


@pytest.mark.promise("demo:meaning")
@given(st.randoms(use_true_random=False), st.booleans())
def test_every_scene_of_the_world_is_judged_as_its_grammar_does(rng: random.Random, near: bool) -> None:
    wanted = grammar.scene(rng)
    said = str(wanted)
    seen = nearly(said, rng) if near else str(grammar.scene(rng))
    found = grammar.parse(seen)

    assert parse_meaning(said) is not None
    assert has_same_meaning(said, said)
    assert has_same_meaning(said, seen) == (found is not None and grammar.means(found, wanted))


@pytest.mark.parametrize(
    ("said", "seen", "agreed"),
    [
        ("a red circle", "A red circle on a white background.", 1.0),
        ("a red circle above a blue square", "A blue square below a red circle.", 1.0),
        ("a large red circle", "A red circle.", 3 / 4),
        ("a red circle on a blue background", "A red circle on a green background.", 4 / 5),
        ("two red circles", "Three red circles.", 7 / 10),
        ("a fox", "A red circle.", 1 / 4),
        ("", "", 0.0),
    ],
)
def test_how_much_two_sentences_agree(said: str, seen: str, agreed: float) -> None:
    assert agreement(said, seen) == pytest.approx(agreed)


@given(st.randoms(use_true_random=False))
def test_only_a_sentence_that_says_everything_agrees_wholly(rng: random.Random) -> None:
    said = str(grammar.scene(rng))
    seen = nearly(said, rng)

    assert (agreement(said, seen) == 1) >= has_same_meaning(said, seen)


def nearly(sentence: str, rng: random.Random) -> str:
    """The same sentence with one word of a kind changed for another, perhaps the same one."""
    kinds = (grammar.COLORS, grammar.SHAPES, grammar.SIZES, tuple(grammar.COUNTS.values()), ("above", "below"))
    words = sentence.split()
    place = rng.randrange(len(words))
    words[place] = next((rng.choice(kind) for kind in kinds if words[place] in kind), words[place])
    return " ".join(words)
