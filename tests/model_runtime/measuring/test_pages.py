"""Layouts of a real browser: each edit is named alone and in place. `python -m tests.layouts` asks for 200 pages."""

from typing import TYPE_CHECKING

import pytest

from tests.layouts.render import EDITS, render
from tests.layouts.score import score

if TYPE_CHECKING:
    from playwright.async_api import Browser

PAGES = range(5)


@pytest.mark.browser
@pytest.mark.promise("measuring:pages")
@pytest.mark.parametrize("seed", PAGES)
async def test_an_edit_of_a_page_is_named_and_its_layout_measured(browser: "Browser", seed: int) -> None:
    page = await render(browser, seed, EDITS[seed % len(EDITS)])

    result = score(page)

    assert result.errors == ()
    assert min(result.gaps, result.colors) > 0
