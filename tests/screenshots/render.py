"""Render pages in a real Chromium: a screenshot, and the lines of text as the browser laid them out."""

from dataclasses import dataclass

from playwright.async_api import Browser

from model_runtime.media.images import decode_image
from model_runtime.media.types import ImageData
from tests.screenshots.cases import PageCase
from tests.screenshots.pages import page_head
from tests.screenshots.words import WORDS

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of the screenshot."""

SHOW_WITH_FONT = """async (html) => {
  await document.fonts.load("14px CJK", "가账")
  document.body.innerHTML = html
}"""
"""Text that is laid out before its font has come keeps some of the boxes that stand for missing letters."""

READ_LINES = """() => {
  const lines = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node; (node = walker.nextNode()); ) {
    for (let index = 0; index < node.data.length; index++) {
      const range = document.createRange()
      range.setStart(node, index)
      range.setEnd(node, index + 1)
      const box = range.getClientRects()[0]
      if (!box || !node.data[index].trim()) {
        if (lines.length) lines.at(-1).text += " "
        continue
      }
      const last = lines.at(-1)
      if (!last || last.node !== node || Math.abs(last.box[1] - box.top) > box.height / 2)
        lines.push({node, text: "", box: [box.left, box.top, box.right, box.bottom]})
      lines.at(-1).text += node.data[index]
      lines.at(-1).box[2] = box.right
    }
  }
  return lines.map(({text, box}) => ({text: text.trim(), box}))
}"""
"""Every line of text in the document's order, with the rectangle around its characters in CSS pixels."""


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line that the browser drew."""

    text: str
    box: Edges


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A screenshot, and what stands in it."""

    name: str
    picture: ImageData
    lines: tuple[DrawnLine, ...]


async def render(browser: Browser, case: PageCase) -> Screenshot:
    """Return the screenshot of a page."""
    context = await browser.new_context(
        viewport={"width": case.kind.width, "height": case.kind.height}, device_scale_factor=case.scale
    )
    try:
        page = await context.new_page()
        await page.set_content(page_head(case.theme))
        await page.evaluate(SHOW_WITH_FONT, case.kind.write(WORDS[case.script]))
        lines = await page.evaluate(READ_LINES)
        png = await page.screenshot()
    finally:
        await context.close()
    return Screenshot(
        case.name, decode_image(png), tuple(_drawn(line["text"], line["box"], case.scale) for line in lines)
    )


def _drawn(text: str, box: list[float], scale: int) -> DrawnLine:
    left, top, right, bottom = (edge * scale for edge in box)
    return DrawnLine(text, (left, top, right, bottom))
