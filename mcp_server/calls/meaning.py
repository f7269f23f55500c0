"""Compare the meaning of two sentences about coloured shapes, independent of their wording."""

import re
from dataclasses import dataclass, replace
from itertools import zip_longest

COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "gray")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "rectangle", "ring")
SIZES = ("small", "large")
COUNTS = {"two": 2, "three": 3}
SYNONYMS = {
    "grey": "gray", "violet": "purple", "big": "large", "little": "small", "tiny": "small", "over": "above",
    "under": "below", "underneath": "below", "beneath": "below", "2": "two", "3": "three",
}  # fmt: skip
INVERSE_RELATIONS = {"below": "above", "right": "left"}
"""Relation → the equivalent relation after the two shapes are swapped."""
NEGATIONS = ("no", "not", "nothing", "without")
KNOWN_WORDS = frozenset({
    *COLORS, *SHAPES, *(f"{shape}s" for shape in SHAPES), *SIZES, *COUNTS, *INVERSE_RELATIONS, *INVERSE_RELATIONS.values(), *NEGATIONS,
    "background",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """One coloured shape; `size` is empty if the sentence does not give it."""

    color: str
    form: str
    size: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a sentence: each shape stands in `relation` to the next.

    With an empty relation all shapes are equal: the sentence counts them.
    """

    shapes: tuple[Shape, ...]
    relation: str
    background: str


_COLOR = "|".join(COLORS)
_PART = re.compile(
    rf"(?P<ground>{_COLOR}) background|background (?P<behind>{_COLOR})(?! (?:{'|'.join(SHAPES)}))"
    rf"|(?:(?P<count>{'|'.join(COUNTS)}) )?(?:(?P<size>{'|'.join(SIZES)}) )?(?P<color>{_COLOR}) "
    rf"(?P<form>{'|'.join(SHAPES)})(?P<plural>s?)\b|(?P<relation>{'|'.join((*INVERSE_RELATIONS, *INVERSE_RELATIONS.values()))})\b"
)


def has_same_meaning(said: str, seen: str) -> bool:
    """Return whether `seen` states all that `said` states and contradicts nothing; it may add sizes and a background.

    Sentences without shapes must have the same words.
    """
    expected, actual = parse_meaning(said), parse_meaning(seen)
    if expected is None or actual is None:
        return words(said) == words(seen)
    if (len(actual.shapes), actual.relation) != (len(expected.shapes), expected.relation):
        return False
    if expected.background not in ("", actual.background):
        return False
    return all(_shapes_match(*pair) for pair in zip(expected.shapes, actual.shapes, strict=True))


def parse_meaning(text: str) -> Meaning | None:
    """Return the meaning of a sentence, or None if it has no shapes or does not match the grammar."""
    canonical = (SYNONYMS.get(word, word) for word in words(text))
    normalized = " ".join(word for word in canonical if word in KNOWN_WORDS)
    parts = list(_PART.finditer(normalized))
    forms = [part for part in parts if part["form"]]
    relations = [part["relation"] for part in parts if part["relation"]]
    backgrounds = [ground for part in parts if (ground := part["ground"] or part["behind"])]
    order = "".join("shape " if part["form"] else "relation " if part["relation"] else "" for part in parts)
    has_count = any(part["count"] for part in forms)
    if _PART.sub("", normalized).split() or not re.fullmatch(r"shape (relation shape )*", order):
        return None  # a known word is left over, or shapes and relations do not alternate
    if len(set(relations)) > 1 or len(backgrounds) > 1 or (has_count and relations):
        return None
    if any(bool(part["count"]) != bool(part["plural"]) for part in forms):
        return None
    shapes = tuple(
        Shape(part["color"], part["form"], part["size"] or "")
        for part in forms
        for _ in range(COUNTS.get(part["count"], 1))
    )
    return _canonical_order(Meaning(shapes, "".join(relations[:1]), "".join(backgrounds[:1])))


def words(text: str) -> list[str]:
    """Return the words of a sentence, in lower case and without punctuation."""
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


def _canonical_order(meaning: Meaning) -> Meaning:
    if meaning.relation not in INVERSE_RELATIONS:
        return meaning
    return replace(meaning, shapes=meaning.shapes[::-1], relation=INVERSE_RELATIONS[meaning.relation])


def _shapes_match(expected: Shape, actual: Shape) -> bool:
    same_kind = (actual.color, actual.form) == (expected.color, expected.form)
    return same_kind and expected.size in ("", actual.size)


def agreement(said: str, seen: str) -> float:
    """Return which part of what `said` states `seen` states as well, 0..1.

    A background that `seen` does not name counts for nothing. Sentences without shapes are compared by their words.
    """
    expected, actual = parse_meaning(said), parse_meaning(seen)
    if expected is None or actual is None:
        said_words, seen_words = set(words(said)), set(words(seen))
        return len(said_words & seen_words) / max(len(said_words | seen_words), 1)
    facts = [expected.relation == actual.relation]
    if expected.background and actual.background:
        facts.append(expected.background == actual.background)
    nothing = Shape("", "", "?")
    for one, other in zip_longest(expected.shapes, actual.shapes, fillvalue=nothing):
        facts += [one.color == other.color, one.form == other.form, one.size in ("", other.size)]
    return sum(facts) / len(facts)
