"""Whether two sentences about coloured shapes say the same, in whatever words the models that wrote them like best."""

import re
from dataclasses import dataclass, replace

COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "gray")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "rectangle", "ring")
SIZES = ("small", "large")
COUNTS = {"two": 2, "three": 3}
SYNONYMS = {
    "grey": "gray", "violet": "purple", "big": "large", "little": "small", "tiny": "small", "over": "above",
    "under": "below", "underneath": "below", "beneath": "below", "2": "two", "3": "three",
}  # fmt: skip
OPPOSITE = {"below": "above", "right": "left"}
"""Relations that read from below or from the right → the same told the other way round."""
DENIALS = ("no", "not", "nothing", "without")
CONTENT = frozenset({
    *COLORS, *SHAPES, *(f"{shape}s" for shape in SHAPES), *SIZES, *COUNTS, *OPPOSITE, *OPPOSITE.values(), *DENIALS,
    "background",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """One coloured shape; `size` is empty where the sentence does not mention it."""

    color: str
    form: str
    size: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a sentence says: each shape stands in `relation` to the next; without one, several are equal and counted."""

    shapes: tuple[Shape, ...]
    relation: str
    background: str


_COLOR = "|".join(COLORS)
_PART = re.compile(
    rf"(?P<ground>{_COLOR}) background|background (?P<behind>{_COLOR})(?! (?:{'|'.join(SHAPES)}))"
    rf"|(?:(?P<count>{'|'.join(COUNTS)}) )?(?:(?P<size>{'|'.join(SIZES)}) )?(?P<color>{_COLOR}) "
    rf"(?P<form>{'|'.join(SHAPES)})(?P<plural>s?)\b|(?P<relation>{'|'.join((*OPPOSITE, *OPPOSITE.values()))})\b"
)


def is_same(said: str, seen: str) -> bool:
    """Tell whether `seen` says all that `said` says and nothing against it; it may add sizes and a background.

    Sentences that are about no shapes must agree in every word.
    """
    wanted, found = read(said), read(seen)
    if wanted is None or found is None:
        return words(said) == words(seen)
    if (len(found.shapes), found.relation) != (len(wanted.shapes), wanted.relation):
        return False
    if wanted.background not in ("", found.background):
        return False
    return all(_agree(*pair) for pair in zip(wanted.shapes, found.shapes, strict=True))


def read(text: str) -> Meaning | None:
    """Read the meaning of a sentence; None where it is about no shapes, or tells more of them than can be read."""
    usual = (SYNONYMS.get(word, word) for word in words(text))
    told = " ".join(word for word in usual if word in CONTENT)
    parts = list(_PART.finditer(told))
    forms = [part for part in parts if part["form"]]
    relations = [part["relation"] for part in parts if part["relation"]]
    grounds = [ground for part in parts if (ground := part["ground"] or part["behind"])]
    order = "".join("shape " if part["form"] else "relation " if part["relation"] else "" for part in parts)
    counted = any(part["count"] for part in forms)
    if _PART.sub("", told).split() or not re.fullmatch(r"shape (relation shape )*", order):
        return None
    if len(set(relations)) > 1 or len(grounds) > 1 or (counted and relations) or not all(map(_is_whole, forms)):
        return None
    shapes = tuple(shape for part in forms for shape in _shapes(part))
    return _turned(Meaning(shapes, "".join(relations[:1]), "".join(grounds[:1])))


def words(text: str) -> list[str]:
    """Return the words of a sentence, in lower case and without punctuation."""
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


def _is_whole(part: re.Match[str]) -> bool:
    """A number needs a plural, and the reverse."""
    return bool(part["count"]) == bool(part["plural"])


def _shapes(part: re.Match[str]) -> tuple[Shape, ...]:
    """One shape, or as many equal ones as are counted."""
    return (Shape(part["color"], part["form"], part["size"] or ""),) * COUNTS.get(part["count"], 1)


def _turned(meaning: Meaning) -> Meaning:
    if meaning.relation not in OPPOSITE:
        return meaning
    return replace(meaning, shapes=meaning.shapes[::-1], relation=OPPOSITE[meaning.relation])


def _agree(wanted: Shape, found: Shape) -> bool:
    alike = (found.color, found.form) == (wanted.color, wanted.form)
    return alike and wanted.size in ("", found.size)
