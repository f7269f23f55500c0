"""How well the lines of a screenshot were read: errors of characters, places and order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from model_runtime.events import TextLine
from tests.screenshots.render import DrawnLine, Edges


@dataclass(frozen=True, slots=True)
class Score:
    """The counts of one screenshot or, added up, of several. `overlaps` are intersection over union, one a line."""

    characters: int = 0
    wrong_characters: int = 0
    overlaps: tuple[float, ...] = ()
    is_in_order: bool = True

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.characters + other.characters,
            self.wrong_characters + other.wrong_characters,
            self.overlaps + other.overlaps,
            self.is_in_order and other.is_in_order,
        )

    @property
    def error_rate(self) -> float:
        """Wrong, missing and invented characters for each that was drawn."""
        return self.wrong_characters / self.characters

    @property
    def overlap(self) -> float:
        """The mean overlap."""
        return sum(self.overlaps) / len(self.overlaps)

    def share_placed(self, least: float) -> float:
        """Return the share of lines that overlap at least so much."""
        return sum(overlap >= least for overlap in self.overlaps) / len(self.overlaps)


def score(drawn: Sequence[DrawnLine], read: Sequence[TextLine]) -> Score:
    """Compare what was drawn with what was read. A drawn line may have been read in several parts."""
    boxes = [edges(line) for line in read]
    owners = [_owner(drawn, box) for box in boxes]
    wrong = sum(len(line.text) for line, owner in zip(read, owners, strict=True) if owner is None)
    overlaps = []
    for number, line in enumerate(drawn):
        parts = sorted((index for index, owner in enumerate(owners) if owner == number), key=lambda index: boxes[index])
        wrong += edit_distance(_words(line.text), _words(" ".join(read[index].text for index in parts)))
        overlaps.append(_overlap(line.box, _around([boxes[index] for index in parts])) if parts else 0.0)
    found = [owner for owner in owners if owner is not None]
    characters = sum(len(_words(line.text)) for line in drawn)
    return Score(characters, wrong, tuple(overlaps), all(first <= second for first, second in pairwise(found)))


def edges(line: TextLine) -> Edges:
    """Return left, top, right and bottom of a line."""
    left, top, width, height = line.box
    return left, top, left + width, top + height


def edit_distance(first: str, second: str) -> int:
    """Return the fewest insertions, deletions and replacements between two texts (Levenshtein)."""
    previous = list(range(len(second) + 1))
    for row, character in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            replaced = previous[column - 1] + (character != other)
            current.append(min(previous[column] + 1, current[-1] + 1, replaced))
        previous = current
    return previous[-1]


def _words(text: str) -> str:
    """Return a text with single spaces and with one form of the punctuation that Chinese writes in two widths."""
    return " ".join(text.split()).translate(str.maketrans("，：；？！（）", ",:;?!()"))


def _owner(drawn: Sequence[DrawnLine], box: Edges) -> int | None:
    """Return the drawn line that a box covers most, or None."""
    covered = [_common(line.box, box) for line in drawn]
    most = max(covered, default=0)
    return covered.index(most) if most > 0 else None


def _common(first: Edges, second: Edges) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0) * max(height, 0)


def _overlap(first: Edges, second: Edges) -> float:
    common = _common(first, second)
    return common / (_common(first, first) + _common(second, second) - common)


def _around(boxes: Sequence[Edges]) -> Edges:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
