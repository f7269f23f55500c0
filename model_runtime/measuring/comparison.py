"""Name what differs between two pictures: which element moved, changed its size, colour or text, went or came."""

from collections.abc import Callable
from dataclasses import replace

from model_runtime.measuring.boxes import area, is_inside
from model_runtime.measuring.difference import Difference
from model_runtime.measuring.elements import edges_of, find_elements
from model_runtime.measuring.likeness import Likeness
from model_runtime.measuring.regions import Pixels
from model_runtime.measuring.results import Change, ChangeKind, Element

MAX_COMPARED = 300
"""Elements of each picture that differ and are named, the largest ones; the time grows with their square."""

Rule = Callable[[Element, Element], bool]


def compare(before: Pixels, after: Pixels, difference: Difference) -> tuple[float, list[Change]]:
    """Return how alike two pictures of one size are, 0..1, and what differs, from the top to the bottom.

    The score is the share of the pixels that are the same times the share of the elements that are.
    """
    if not difference.mask.any():
        return 1.0, []
    likeness = Likeness(before, after, difference)
    firsts, seconds = find_elements(before), find_elements(after)
    left, right = list(firsts), list(seconds)
    _take_pairs(left, right, likeness.is_equal)
    left, right = _largest(left), _largest(right)
    rules: tuple[tuple[ChangeKind, Rule], ...] = (
        ("recoloured", likeness.is_recoloured),
        ("moved", likeness.is_moved),
        ("resized", likeness.is_resized),
        ("retyped", likeness.is_retyped),
    )
    changes = [
        _change(kind, one, other)
        for kind, rule in rules
        for one, other in _take_pairs(left, right, rule)
        if likeness.is_changed(one, other)
    ]
    changes += [_change("missing", one, None) for one in left if likeness.is_changed_itself(one)]
    changes += [_change("added", None, one) for one in right if likeness.is_changed_itself(one)]
    same_elements = 1 - len(changes) / max(len(firsts), len(seconds), len(changes))
    return round((1 - float(difference.mask.mean())) * same_elements, 4), _gather(changes)


def _largest(elements: list[Element]) -> list[Element]:
    return sorted(elements, key=lambda element: -area(edges_of(element.box)))[:MAX_COMPARED]


def _take_pairs(left: list[Element], right: list[Element], rule: Rule) -> list[tuple[Element, Element]]:
    """Take the pairs out of both lists of which `rule` is true, the nearest first."""
    found = [
        (_distance(one, other), index, place)
        for index, one in enumerate(left)
        for place, other in enumerate(right)
        if one.kind == other.kind and rule(one, other)
    ]
    pairs: dict[int, int] = {}
    places: set[int] = set()
    for _, index, place in sorted(found):
        if index not in pairs and place not in places:
            pairs[index] = place
            places.add(place)
    taken = [(left[index], right[place]) for index, place in pairs.items()]
    for one, other in taken:
        left.remove(one)
        right.remove(other)
    return taken


def _distance(first: Element, second: Element) -> int:
    return sum(abs(one - other) for one, other in zip(edges_of(first.box), edges_of(second.box), strict=True))


def _change(kind: ChangeKind, before: Element | None, after: Element | None) -> Change:
    element = before or after
    if element is None:
        raise ValueError("a change of nothing")
    boxes = (before.box if before else None, after.box if after else None)
    if kind != "recoloured" or before is None or after is None:
        return Change(kind, element.kind, *boxes)
    is_border = before.color == after.color
    colors = (before.border, after.border) if is_border else (before.color, after.color)
    return Change(kind, element.kind, *boxes, *colors)


def _gather(changes: list[Change]) -> list[Change]:
    """Count the parts that share the change of the box around them, and return the rest in the order of reading."""
    gathered: list[Change] = []
    for change in sorted(changes, key=lambda one: -area(edges_of(_place(one)))):
        owner = next((index for index, other in enumerate(gathered) if _shares(change, other)), None)
        if owner is None:
            gathered.append(change)
        else:
            gathered[owner] = replace(gathered[owner], count=gathered[owner].count + 1)
    return sorted(gathered, key=lambda one: (_place(one)[1], _place(one)[0]))


def _shares(part: Change, whole: Change) -> bool:
    """Return whether a part went, came or moved with a whole."""
    if part.kind != whole.kind or part.kind not in ("moved", "missing", "added"):
        return False
    is_part = is_inside(edges_of(_place(part)), edges_of(_place(whole)))
    return is_part and (part.kind != "moved" or _shift(part) == _shift(whole))


def _place(change: Change) -> tuple[int, int, int, int]:
    return change.before or change.after or (0, 0, 0, 0)


def _shift(change: Change) -> tuple[int, int]:
    before, after = change.before or (0, 0), change.after or (0, 0)
    return after[0] - before[0], after[1] - before[1]
