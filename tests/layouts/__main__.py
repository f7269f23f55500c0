"""`python -m tests.layouts [PAGES]`: edit 200 pages, and print how many edits are named and layouts measured."""

import asyncio
import sys
import time
from collections import Counter

from playwright.async_api import async_playwright

from tests.conftest import find_browser
from tests.layouts.render import EDITS, render
from tests.layouts.score import score

PAGES = 200


async def main(pages: int) -> int:
    """Return 1 if an edit is not named, something else is, or a layout is measured wrong."""
    named, right, layouts, gaps, colors = Counter[str](), 0, 0, 0, 0
    started = time.process_time()
    async with async_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        for seed in range(pages):
            page = await render(browser, seed, EDITS[seed % len(EDITS)])
            result = score(page)
            named[page.edit.kind] += not result.edit_errors
            right, layouts = right + (not result.false_names), layouts + (not result.layout_errors)
            gaps, colors = gaps + result.gaps, colors + result.colors
            for error in result.errors:
                _report(f"{seed}: {error}")
        await browser.close()
    _report(f"edits named alone and in place: {sum(named.values())} of {pages} {dict(named)}")
    _report(f"pages whose copy and JPEG name nothing: {right} of {pages}")
    _report(f"pages with all of {gaps} gaps and {colors} colours right: {layouts} of {pages}")
    _report(f"{(time.process_time() - started) / pages:.2f} CPU seconds a page")
    return int(min(sum(named.values()), right, layouts) < pages)


def _report(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PAGES)))
