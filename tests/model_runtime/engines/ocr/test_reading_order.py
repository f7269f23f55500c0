"""The order of boxes, as people read them."""

import pytest

from model_runtime.engines.ocr.geometry import Box
from model_runtime.engines.ocr.reading_order import reading_rows


def line(left: float, top: float, width: float, height: float = 16) -> Box:
    return Box(left, top, left + width, top + height)


def names_in_order(boxes: dict[str, Box]) -> str:
    """Return the names of the boxes as they are read: rows with "|" between, boxes of a row with " "."""
    names = list(boxes)
    return "|".join(" ".join(names[index] for index in row) for row in reading_rows(list(boxes.values())))


def test_nothing_is_read_in_an_empty_picture() -> None:
    assert reading_rows([]) == []


def test_lines_are_read_from_top_to_bottom_in_whatever_order_they_come() -> None:
    boxes = {"c": line(10, 90, 300), "a": line(10, 10, 200), "b": line(10, 50, 250)}

    assert names_in_order(boxes) == "a|b|c"


@pytest.mark.promise("ocr:order")
def test_two_columns_of_sentences_are_read_one_after_the_other() -> None:
    left = {f"l{row}": line(40, 100 + 24 * row, 500) for row in range(4)}
    right = {f"r{row}": line(640, 100 + 24 * row, 500) for row in range(4)}

    assert names_in_order({**right, **left}) == "l0|l1|l2|l3|r0|r1|r2|r3"


@pytest.mark.promise("ocr:order")
def test_a_heading_across_both_columns_comes_first_and_a_footer_last() -> None:
    boxes = {"footer": line(40, 300, 1000), "heading": line(40, 20, 900, 30)}
    boxes |= {f"r{row}": line(640, 100 + 24 * row, 500) for row in range(3)}
    boxes |= {f"l{row}": line(40, 100 + 24 * row, 500) for row in range(3)}

    assert names_in_order(boxes) == "heading|l0|l1|l2|r0|r1|r2|footer"


@pytest.mark.promise("ocr:order")
def test_the_cells_of_a_table_are_read_row_by_row() -> None:
    boxes = {
        f"{name}{row}": line(left, 100 + 40 * row, width)
        for name, left, width in (("c", 500, 60), ("a", 40, 90), ("b", 260, 80))
        for row in range(3)
    }

    assert names_in_order(boxes) == "a0 b0 c0|a1 b1 c1|a2 b2 c2"


@pytest.mark.promise("ocr:order")
def test_a_side_bar_is_read_before_the_table_beside_it() -> None:
    bar = {f"bar{row}": line(16, 20 + 31 * row, 70) for row in range(3)}
    cells = {
        f"{name}{row}": line(left, 150 + 40 * row, 80) for name, left in (("a", 300), ("b", 500)) for row in range(3)
    }

    assert names_in_order({**cells, **bar}) == "bar0|bar1|bar2|a0 b0|a1 b1|a2 b2"


def test_lines_that_overlap_a_little_are_still_read_one_after_the_other() -> None:
    boxes = {f"{row}": line(10, 14 * row, 300 + row) for row in (2, 0, 1)}

    assert names_in_order(boxes) == "0|1|2"


def test_a_thousand_lines_are_no_matter_of_depth() -> None:
    boxes = [line(10, 20 * row + row * row / 10, 300) for row in range(1500)]

    assert reading_rows(boxes) == [[row] for row in range(1500)]
