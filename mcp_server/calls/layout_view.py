"""Show measured layouts and differences within a number of tokens: the largest parts first, then in reading order."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from mcp_server.calls.result_types import (
    CompareResult,
    ImageChange,
    ImageLine,
    ImageSize,
    ImageTransparency,
    LayoutElement,
    MeasureResult,
    PaletteEntry,
)
from mcp_server.calls.results import estimate_tokens
from model_runtime.measuring.gaps import find_gaps, padding_of, select
from model_runtime.measuring.results import Change, Comparison, Element, Measurement
from model_runtime.measuring.type_size import type_size

ResultT = TypeVar("ResultT", bound=BaseModel)


def show_measurement(
    measured: Measurement, lines: Sequence[ImageLine], max_tokens: int, fields: dict[str, Any]
) -> MeasureResult:
    """Return a measurement with the texts of `lines` as a result of at most `max_tokens`."""
    transparency = measured.transparency
    fixed = fields | {
        "image": ImageSize(width=measured.width, height=measured.height),
        "palette": [PaletteEntry(color=one.color, share=one.share) for one in measured.palette],
        "transparency": transparency
        and ImageTransparency(
            transparent_share=transparency.transparent_share,
            translucent_share=transparency.translucent_share,
            content=transparency.content,
        ),
    }

    def show(count: int) -> MeasureResult:
        shown = select(measured.elements, count)
        gaps = find_gaps(shown)
        return MeasureResult(
            elements=[_element(shown, index, lines) for index in range(len(shown))],
            gaps_x=[(gap.first, gap.second, gap.pixels) for gap in gaps if gap.axis == 0],
            gaps_y=[(gap.first, gap.second, gap.pixels) for gap in gaps if gap.axis == 1],
            omitted=len(measured.elements) - count,
            **fixed,
        )

    return _most(show, len(measured.elements), max_tokens)


def show_comparison(compared: Comparison, max_tokens: int, fields: dict[str, Any]) -> CompareResult:
    """Return a comparison as a result of at most `max_tokens`."""
    by_size = sorted(range(len(compared.changes)), key=lambda index: -_area(compared.changes[index]))

    def show(count: int) -> CompareResult:
        changes = [compared.changes[index] for index in sorted(by_size[:count])]
        return CompareResult(
            score=compared.score,
            changed_share=compared.changed_share,
            a=ImageSize(width=compared.first_size[0], height=compared.first_size[1]),
            b=ImageSize(width=compared.second_size[0], height=compared.second_size[1]),
            changes=[_change(change) for change in changes],
            omitted=len(compared.changes) - count,
            **fields,
        )

    return _most(show, len(by_size), max_tokens)


def comparison_warnings(compared: Comparison) -> list[str]:
    """Return what a reader of a comparison must know to trust its numbers."""
    warnings = []
    (width, height), (other_width, other_height) = compared.first_size, compared.second_size
    if compared.first_size != compared.second_size and not compared.is_resized:
        common = f"{compared.compared[0]}x{compared.compared[1]}"
        warnings.append(
            f"a is {width}x{height}, b is {other_width}x{other_height}: only the upper left {common} of both was "
            "compared. Render both in one size."
        )
    elif compared.is_resized:
        warnings.append(f"b was resized from {other_width}x{other_height} to {width}x{height}; boxes are pixels of a.")
    if compared.is_noisy:
        warnings.append("Small differences all over were taken for those of compression or resizing. PNGs show all.")
    return warnings


def _most(show: Callable[[int], ResultT], count: int, max_tokens: int) -> ResultT:
    """Return the result with the most parts that fits."""
    fewest, most = 0, count
    while fewest < most:
        middle = (fewest + most + 1) // 2
        is_small = estimate_tokens(show(middle).model_dump_json(exclude_none=True)) <= max_tokens
        fewest, most = (middle, most) if is_small else (fewest, middle - 1)
    return show(fewest)


def _element(elements: Sequence[Element], index: int, lines: Sequence[ImageLine]) -> LayoutElement:
    element = elements[index]
    text = lines[element.line].text if element.line is not None else None
    return LayoutElement(
        id=index,
        kind=element.kind,
        box=element.box,
        color=element.color,
        background=element.background or None,
        border=f"{element.border_width}px {element.border}" if element.border_width else None,
        padding=padding_of(elements, index) if element.kind == "box" else None,
        parent=element.parent,
        text=text,
        text_size=round(type_size(text, element.box[3])) if text else None,
    )


def _change(change: Change) -> ImageChange:
    return ImageChange(
        change=change.kind,
        element=change.element,
        a=change.before,
        b=change.after,
        color_a=change.color_before or None,
        color_b=change.color_after or None,
        parts=change.count - 1 or None,
    )


def _area(change: Change) -> int:
    box = change.before or change.after or (0, 0, 0, 0)
    return box[2] * box[3]
