"""Stop strings, whatever the pieces of the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.stop_sequences import StopSequenceMatcher

LETTERS = st.text("abc", max_size=12)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3).map(tuple)


def shown(stops: tuple[str, ...], pieces: list[str]) -> str:
    """All that a listener sees."""
    strings = StopSequenceMatcher(stops)
    return "".join(map(strings.push, pieces)) + strings.flush()


def cut(stops: tuple[str, ...], text: str) -> str:
    """The text before the stop string that is complete first, the slow way."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return text


@pytest.mark.promise("chat:stop-strings")
def test_a_stop_string_is_found_across_pieces_and_never_shown() -> None:
    assert shown(("###",), ["One#", "#", "# two"]) == "One"


@pytest.mark.promise("anthropic:stop-reasons")
def test_the_stop_string_that_was_found_is_known() -> None:
    matcher = StopSequenceMatcher(("##", "###", "a"))

    assert (matcher.push("One#"), matcher.matched) == ("One", "")
    assert (matcher.push("## two"), matcher.matched) == ("", "##")


def test_what_only_looks_like_a_stop_string_is_shown_in_the_end() -> None:
    assert shown(("###",), ["One#", "#"]) == "One##"


def test_text_that_cannot_start_a_stop_string_is_not_held_back() -> None:
    assert StopSequenceMatcher(("\n\n",)).push("A red circle.\n") == "A red circle."


@given(stops=STOPS, pieces=st.lists(LETTERS, max_size=6))
def test_any_cut_of_a_text_shows_the_same(stops: tuple[str, ...], pieces: list[str]) -> None:
    assert shown(stops, pieces) == cut(stops, "".join(pieces))
