"""Control tokens in what users write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.special_tokens import ZERO_WIDTH_SPACE, SpecialTokens
from tests.checkpoints.words import train_tokenizer

WORDS = train_tokenizer(600, ("<|end|>", "<|image|>", "<s>"))
MARKERS = SpecialTokens.from_tokenizer(WORDS)
PIECES = st.lists(st.sampled_from(["<|end|>", "<|image|>", "<s>", "<", "|end|>", "<|", "a fox", "|>"])).map("".join)


@pytest.mark.promise("chat:control-tokens-are-text")
@given(text=PIECES)
def test_no_text_contains_a_control_token(text: str) -> None:
    ids = WORDS.encode(MARKERS.escape(text)).ids

    assert not {0, 1, 2} & set(ids)


@given(text=PIECES)
def test_the_text_looks_the_same(text: str) -> None:
    assert MARKERS.escape(text).replace(ZERO_WIDTH_SPACE, "") == text


def test_ordinary_text_is_left_alone() -> None:
    assert MARKERS.escape("a < b |> c") == "a < b |> c"
    assert SpecialTokens([]).escape("<s>") == "<s>"
