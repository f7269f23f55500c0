"""Whether an edit was named, and how far a measured layout is from the browser's."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model_runtime.measuring.colors import delta_e
from model_runtime.measuring.comparison import compare
from model_runtime.measuring.difference import find_difference
from model_runtime.measuring.elements import find_elements
from model_runtime.measuring.gaps import find_gaps
from model_runtime.measuring.regions import Pixels
from model_runtime.measuring.results import Change, Element
from model_runtime.media.types import PixelBox
from tests.layouts.render import Edit, EditedPage

MIN_OVERLAP = 0.7
MAX_GAP_ERROR = 1
MAX_DELTA_E = 2.0
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PageScore:
    """What is wrong with one page, in words; empty lists where all is right. `gaps` and `colors` count what was checked."""

    edit_errors: tuple[str, ...]
    false_names: tuple[str, ...]
    layout_errors: tuple[str, ...]
    gaps: int
    colors: int

    @property
    def errors(self) -> tuple[str, ...]:
        """All of them."""
        return self.edit_errors + self.false_names + self.layout_errors


def score(page: EditedPage) -> PageScore:
    """Compare the page with itself, with a JPEG of it and with the edited one, and measure it."""
    found = changes(page.before, page.after)
    same = [("itself", page.before.copy()), ("its JPEG", as_jpeg(page.before))]
    false_names = [f"{name}: {change}" for name, other in same for change in changes(page.before, other)]
    layout_errors, gap_count = check_layout(page.elements, find_elements(page.before))
    return PageScore(
        tuple(edit_errors(page.edit, found)), tuple(false_names), tuple(layout_errors), gap_count, len(page.elements)
    )


def changes(before: Pixels, after: Pixels) -> Sequence[Change]:
    """Return the changes that are named."""
    return compare(before, after, find_difference(before, after))[1]


def as_jpeg(pixels: Pixels) -> Pixels:
    """Return what is left of a picture in a JPEG of quality 90."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file).convert("RGB"))


def edit_errors(edit: Edit, found: Sequence[Change]) -> list[str]:
    """Return what is wrong with the changes that were named for an edit: the edit, and it alone, is right."""
    named = [change for change in found if change.kind == edit.kind and change.element == edit.element]
    if len(found) != 1 or len(named) != 1:
        return [f"{edit} is named {[(change.kind, change.element, change.before, change.after) for change in found]}"]
    (change,) = named
    pairs = ((edit.before, change.before), (edit.after, change.after))
    overlaps = [overlap(true, box) if true and box else float(true is box) for true, box in pairs]
    return [] if min(overlaps) >= MIN_OVERLAP else [f"{edit} is placed {change.before} → {change.after}: {overlaps}"]


def check_layout(true: Sequence[Element], measured: Sequence[Element]) -> tuple[list[str], int]:
    """Return the gaps between boxes and the colours that are wrong, and how many gaps there are."""
    errors, places = [], [_nearest(element, measured) for element in true]
    for element, place in zip(true, places, strict=True):
        if place is None:
            errors.append(f"{element} is not found")
        elif delta_e(element.color, measured[place].color) > MAX_DELTA_E:
            errors.append(f"{element} has the colour {measured[place].color}")
        elif element.border and delta_e(element.border, measured[place].border or "#000000") > MAX_DELTA_E:
            errors.append(f"{element} has the border {measured[place].border}")
    gaps = [gap for gap in find_gaps(true) if true[gap.first].kind == true[gap.second].kind == "box"]
    found = {(gap.first, gap.second, gap.axis): gap.pixels for gap in find_gaps(measured)}
    for gap in gaps:
        first, second = places[gap.first], places[gap.second]
        pixels = found.get((first, second, gap.axis)) if first is not None and second is not None else None
        if pixels is None or abs(pixels - gap.pixels) > MAX_GAP_ERROR:
            errors.append(f"{gap} between {true[gap.first].box} and {true[gap.second].box} is {pixels}")
    return errors, len(gaps)


def overlap(first: PixelBox, second: PixelBox) -> float:
    """Return the intersection over the union of two boxes."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    common = max(width, 0) * max(height, 0)
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def _nearest(element: Element, measured: Sequence[Element]) -> int | None:
    """Return the index of the measured element of the same kind that overlaps most, if it does by `MIN_OVERLAP`."""
    overlaps = [overlap(element.box, one.box) if one.kind == element.kind else 0.0 for one in measured]
    best = max(range(len(measured)), key=overlaps.__getitem__)
    return best if overlaps[best] >= MIN_OVERLAP else None
