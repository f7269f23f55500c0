"""`python -m tests.screenshots`: render all screenshots, read them, and print how well, by script. It takes minutes."""

import asyncio
import sys
import time
from collections import defaultdict

from playwright.async_api import async_playwright

from tests.conftest import find_browser
from tests.screenshots.cases import ALL_CASES, LATIN
from tests.screenshots.reading import open_engine, read
from tests.screenshots.render import render
from tests.screenshots.score import Score, score

MAX_ERROR_RATE = 0.015
MIN_OVERLAP = 0.7


async def main() -> int:
    """Return 1 if Latin text is read or placed worse than promised."""
    engine = open_engine()
    scores: dict[str, Score] = defaultdict(Score)
    seconds: dict[str, float] = defaultdict(float)
    async with async_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        for case in ALL_CASES:
            screenshot = await render(browser, case)
            start = time.process_time()
            result = read(engine, screenshot.picture)
            seconds[case.script] += time.process_time() - start
            page_score = score(screenshot.lines, result.lines)
            scores[case.script] += page_score
            _report(f"{case.name:32}{_describe(page_score)} {' '.join(result.warnings)[:40]}")
        await browser.close()
    for script, total in scores.items():
        count = sum(case.script == script for case in ALL_CASES)
        _report(f"{script}: {count} screenshots, {_describe(total)}, {seconds[script] / count:.2f} CPU seconds each")
    latin = sum((scores[script] for script in LATIN), Score())
    _report(f"Latin: {_describe(latin)}")
    return int(latin.error_rate > MAX_ERROR_RATE or latin.overlap < MIN_OVERLAP)


def _describe(score: Score) -> str:
    wrong = f"{score.wrong_characters} of {score.characters} characters wrong ({score.error_rate:.2%})"
    return f"{wrong}, overlap {score.overlap:.2f}, {score.share_placed(MIN_OVERLAP):.0%} of lines over {MIN_OVERLAP}"


def _report(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
