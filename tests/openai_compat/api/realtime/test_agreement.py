"""What is certain of a text that is still heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_compat.api.realtime.agreement import LocalAgreement

WORDS = st.lists(st.sampled_from(["red", "Red", "blue,", "circle", "the", "a"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("passes", "deltas"),
    [
        (["a red", "a red circle", "a red circle above a"], ["", "a red", " circle"]),
        (["a rat", "a red circle", "a red circle"], ["", "a", " red circle"]),
        (["Hello.", "Hello, world.", "hello, world, how"], ["", "Hello,", " world,"]),
        (["", "a", ""], ["", "", ""]),
        (["赤い丸", "赤い丸と青", "赤い丸と青い"], ["", "赤い丸", "と青"]),
        (["one two", "one two three", "won two three four"], ["", "one two", " three"]),
    ],
)
def test_what_two_passes_agree_on_is_told_once(passes: list[str], deltas: list[str]) -> None:
    agreement = LocalAgreement()

    assert [agreement.add(text) for text in passes] == deltas


def test_the_last_pass_tells_the_rest() -> None:
    agreement = LocalAgreement()
    told = [agreement.add(text) for text in ("a red", "a red circle", "a red circle above")]

    told.append(agreement.finish("A red circle above a blue square."))

    assert "".join(told) == "a red circle above a blue square."


def test_a_word_more_or_less_before_does_not_repeat_or_skip_what_follows() -> None:
    shorter, longer = LocalAgreement(), LocalAgreement()
    for agreement in (shorter, longer):
        agreement.add("it is twenty one today")
        agreement.add("it is twenty one today")

    assert shorter.finish("it is 21 today and cold") == " and cold"
    assert longer.finish("well, it is twenty one today and cold") == " and cold"


@given(texts=st.lists(WORDS, max_size=6), last=WORDS)
def test_a_text_that_grows_is_told_word_for_word(texts: list[str], last: str) -> None:
    agreement, text = LocalAgreement(), ""
    told = []
    for more in [*texts, last]:
        text = f"{text} {more}".strip()
        told.append(agreement.add(text))

    assert "".join([*told, agreement.finish(text)]) == text


@given(texts=st.lists(WORDS, max_size=6))
def test_any_texts_are_taken(texts: list[str]) -> None:
    agreement = LocalAgreement()

    told = [agreement.add(text) for text in texts] + [agreement.finish(text) for text in texts[-1:]]

    assert all(delta == "" or delta.strip() for delta in told)
