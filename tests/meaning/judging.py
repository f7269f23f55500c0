"""When an answer means what it should."""

from starter_world import grammar


def says(said: str, wanted: str) -> bool:
    """Tell whether a caption says all that the sentence `wanted` says; it may add sizes and a background.

    It is one sentence: a model that goes on after its end was not asked as it was trained.
    """
    seen, meant = grammar.parse(said), grammar.parse(wanted)
    assert meant is not None, f"{wanted!r} is no sentence of the world"
    return seen is not None and grammar.means(seen, meant) and said.count(".") <= 1


def plain(text: str) -> str:
    """An answer without case and marks, as one compares what two people said."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join(kept.split())
