"""The demo as people run it: one sentence through all four starters, then its page in a real browser."""

import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser

from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]
SENTENCE = "a yellow heart on a red background"


@dataclass(frozen=True, slots=True)
class Shown:
    """A demo that is over: its folder, and what it printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def shown(served: RunningDaemon) -> Generator[Shown]:
    """`senses demo` against the running daemon."""
    with tempfile.TemporaryDirectory(prefix="senses-demo-") as parent:
        folder = Path(parent) / "demo"
        command = [str(BIN_FOLDER / "senses"), "demo", "--sentences", "1", "--starters", "--folder", str(folder)]
        demo = subprocess.run(
            command, env=served.environ, check=False, capture_output=True, encoding="utf-8", timeout=240
        )
        assert demo.returncode == 0, demo.stderr
        yield Shown(folder, demo.stdout)


@pytest.mark.promise("demo:loop")
def test_a_sentence_is_said_heard_drawn_and_seen_and_everything_is_kept(shown: Shown) -> None:
    read = {name: (shown.folder / f"01-{name}.txt").read_text(encoding="utf-8").strip() for name in ("heard", "seen")}

    assert read["heard"] == SENTENCE
    assert read["seen"] == "A yellow heart on a red background."
    assert (shown.folder / "01-said.wav").stat().st_size > 20_000
    with Image.open(shown.folder / "01-drawn.png") as drawn:
        assert drawn.size == (512, 512)
    with Image.open(shown.folder / "contact-sheet.png") as sheet:
        assert sheet.width > 512
    assert "1 of 1 came back with the same meaning" in shown.printed
    assert str(shown.folder / "demo.html") in "".join(shown.printed.split("\n"))


@pytest.mark.browser
@pytest.mark.promise("demo:contact-sheet")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_shows_and_plays_its_own_files_and_asks_nobody(
    browser: Browser, shown: Shown, scheme: str
) -> None:
    context = await browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.goto((shown.folder / "demo.html").as_uri())
    await page.wait_for_function("document.querySelector('audio').duration > 1")
    widths = await page.locator("img").evaluate_all("pictures => pictures.map(picture => picture.naturalWidth)")
    text = await page.locator("article").inner_text()
    contrast = await page.evaluate(CONTRAST)
    await context.close()

    assert widths == [512]
    assert SENTENCE in text
    assert all(word in text for word in ("said", "heard", "drawn", "seen", "tts-starter", "vlm-starter"))
    assert {url.partition("://")[0] for url in asked} == {"file"}
    assert contrast >= 7


CONTRAST = """() => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3)
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const card = getComputedStyle(document.querySelector("article"));
  const [low, high] = [light(card.color), light(card.backgroundColor)].sort((one, other) => one - other);
  return (high + 0.05) / (low + 0.05);
}"""
"""The contrast of text on a card (WCAG 2.1, relative luminance)."""
