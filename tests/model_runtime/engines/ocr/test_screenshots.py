"""Screenshots of a real Chromium, one of each kind. `make screenshots` reads all of them."""

import pytest
from playwright.async_api import Browser

from model_runtime.engines.ocr.engine import OcrEngine
from tests.screenshots.__main__ import MAX_ERROR_RATE, MIN_OVERLAP
from tests.screenshots.cases import ALL_CASES, FEW_CASES, LATIN, PageCase
from tests.screenshots.reading import open_engine, read
from tests.screenshots.render import render
from tests.screenshots.score import score

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(180)]
ORDERED_KINDS = ("article", "editor", "terminal", "table", "form", "phone")
"""Pages that people read in only one order, that of the document."""
KOREAN = next(case for case in ALL_CASES if case.script == "korean" and case.kind.name == "table")


@pytest.fixture(scope="module")
def engine() -> OcrEngine:
    return open_engine()


@pytest.mark.promise("ocr:screenshots")
@pytest.mark.parametrize("case", FEW_CASES, ids=lambda case: case.name)
async def test_a_screenshot_is_read_with_the_place_of_each_line(
    browser: Browser, engine: OcrEngine, case: PageCase
) -> None:
    screenshot = await render(browser, case)

    result = read(engine, screenshot.picture)

    measured = score(screenshot.lines, result.lines)
    assert measured.error_rate <= MAX_ERROR_RATE, result.text
    assert measured.overlap >= MIN_OVERLAP
    assert measured.share_placed(MIN_OVERLAP) >= 0.8
    assert measured.is_in_order or case.kind.name not in ORDERED_KINDS, result.text
    assert result.warnings == ()


@pytest.mark.promise("ocr:unknown-script")
async def test_text_that_the_model_cannot_read_is_told_and_not_invented(browser: Browser, engine: OcrEngine) -> None:
    screenshot = await render(browser, KOREAN)

    result = read(engine, screenshot.picture)

    (warning,) = result.warnings
    assert "lines could not be read" in warning
    assert "no Korean" in warning
    assert "2026-01-10" in result.text


def test_there_are_enough_screenshots() -> None:
    assert len(ALL_CASES) >= 60
    assert len({case.name for case in ALL_CASES}) == len(ALL_CASES)
    assert {case.script for case in ALL_CASES} == {*LATIN, "chinese", "korean"}
    assert len(FEW_CASES) == 10
