"""What is read aloud, and in which pieces."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.speech.sentences import (
    PARAGRAPH_PAUSE,
    SENTENCE_PAUSE,
    drop_foreign_letters,
    normalize_text,
    split_utterances,
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello there.", "Hello there."),
        ("Run ```pip install x``` now", "Run now"),
        ("Unclosed ```code forever", "Unclosed"),
        ("# Title\nSome **bold** and _soft_ `word`", "Title\nSome bold and soft word"),
        ("- one\n- two\n1. three", "one\ntwo\nthree"),
        ("See [the docs](https://example.com/a?b) here", "See the docs here"),
        ("Open https://www.example.com/x", "Open example.com/x"),
        ("Done \U0001f389 \u200bnow\x07", "Done now"),
        ("Cafe\u0301", "Café"),
        ("it costs $5, 50% off", "it costs $5, 50% off"),
        ("\U0001f600", ""),
    ],
)
def test_markup_and_emoji_are_not_read_aloud(text: str, spoken: str) -> None:
    assert normalize_text(text) == spoken


def pieces(text: str, limit: int = 150) -> list[str]:
    """The texts of the utterances; a letter is a phoneme."""
    return [one.text for one in split_utterances(text, lambda part: part, max_phonemes=limit)]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. Doe at 3 p.m. today, e.g. here.", ["Dr. Smith met J. Doe at 3 p.m. today, e.g. here."]),
        ('He said "No." Then he left.', ['He said "No.', "Then he left."]),
        ("Pi is 3.14 exactly", ["Pi is 3.14 exactly"]),
        ("A title\n\nA paragraph.", ["A title", "A paragraph."]),
        ("今日は。明日は！", ["今日は。", "明日は！"]),
        ("", []),
    ],
)
def test_a_sentence_is_an_utterance(text: str, spoken: list[str]) -> None:
    assert pieces(text) == spoken


def test_a_long_sentence_is_cut_where_it_breathes() -> None:
    text = "When the sun had set over the hills, all of the birds were silent"

    assert pieces(text, 40) == ["When the sun had set over the hills,", "all of the birds were silent"]


def test_a_sentence_without_breath_is_cut_between_words() -> None:
    found = pieces("word " * 30, 40)

    assert all(len(piece) <= 40 for piece in found)
    assert " ".join(found).split() == ["word"] * 30


def test_pauses_follow_the_structure() -> None:
    found = list(split_utterances("One. Two\n\nThree", lambda part: part))

    assert [one.pause_seconds for one in found] == [SENTENCE_PAUSE, PARAGRAPH_PAUSE, 0.0]
    assert [one.end_character for one in found] == [4, 8, 15]


@given(st.text(alphabet="abc .,!?\n;", max_size=200), st.integers(4, 60))
def test_every_word_is_spoken_once_and_no_utterance_is_too_long(text: str, limit: int) -> None:
    found = list(split_utterances(text, lambda part: part, max_phonemes=limit))

    assert all(len(one.phonemes) <= limit for one in found)
    assert letters("".join(one.text for one in found)) == letters(text)
    assert [one.end_character for one in found] == sorted(one.end_character for one in found)


@given(st.text(max_size=100))
def test_what_is_readable_has_no_control_characters(text: str) -> None:
    assert all(
        letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs") for letter in normalize_text(text)
    )


def letters(text: str) -> str:
    """Only the letters."""
    return "".join(filter(str.isalpha, text))


def test_letters_of_other_scripts_are_left_out_and_counted() -> None:
    assert drop_foreign_letters("en", "The word 안녕 means hello 2 you") == ("The word  means hello 2 you", 2)
    assert drop_foreign_letters("hi", "नमस्ते") == ("नमस्ते", 0)
