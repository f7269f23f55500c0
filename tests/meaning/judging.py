"""Compares the meaning of answers."""

from starter_world import grammar


def caption_matches(caption: str, sentence: str) -> bool:
    """Return whether a caption says all that `sentence` says. It may add sizes and a background.

    The caption must be one sentence: a model that writes more did not get the prompt that it was trained on.
    """
    seen, meant = grammar.parse(caption), grammar.parse(sentence)
    assert meant is not None, f"{sentence!r} is not a sentence of the starters' vocabulary"
    return seen is not None and grammar.means(seen, meant) and caption.count(".") <= 1


def normalize_text(text: str) -> str:
    """Return a text in lower case without punctuation."""
    letters = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join(letters.split())
