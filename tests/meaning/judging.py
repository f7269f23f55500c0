"""When an answer means what it should."""

from starter_world import grammar


def caption_matches(caption: str, sentence: str) -> bool:
    """Tell whether a caption says all that the sentence `wanted` says; it may add sizes and a background.

    It is one sentence: a model that goes on after its end was not asked as it was trained.
    """
    seen, meant = grammar.parse(caption), grammar.parse(sentence)
    assert meant is not None, f"{sentence!r} is no sentence of the world"
    return seen is not None and grammar.means(seen, meant) and caption.count(".") <= 1


def normalize_text(text: str) -> str:
    """An answer without case and marks, as one compares what two people said."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join(kept.split())
