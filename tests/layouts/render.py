"""Render a page before and after one edit, and read from the browser where everything stands."""

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from playwright.async_api import Browser

from model_runtime.measuring.regions import Pixels
from model_runtime.measuring.results import ChangeKind, Element, ElementKind
from model_runtime.media.images import decode_image
from model_runtime.media.types import PixelBox
from tests.layouts.pages import LETTER_WIDTH, make_page

EDITS: tuple[ChangeKind, ...] = ("moved", "missing", "recoloured", "resized", "retyped")

READ_ELEMENTS = """() => [...document.querySelectorAll("[data-kind]")].map((element) => {
  const box = element.getBoundingClientRect(), style = getComputedStyle(element)
  const parent = element.parentElement.closest("[data-kind]")
  const facts = {kind: element.dataset.kind, text: element.textContent, parent: parent && [...document.querySelectorAll("[data-kind]")].indexOf(parent),
    color: style.color, background: style.backgroundColor, border: style.borderTopWidth, edge: style.borderTopColor,
    edges: [box.left, box.top, box.right, box.bottom], outer: [box.left, box.top, box.right, box.bottom]}
  if (element.dataset.kind == "text") {
    const mark = document.createElement("span")
    mark.style.cssText = "display: inline-block; width: 0; height: 0"
    element.prepend(mark)
    const {left, bottom} = mark.getBoundingClientRect()
    mark.remove()
    const canvas = document.createElement("canvas").getContext("2d")
    canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
    const ink = canvas.measureText(element.textContent)
    facts.edges = [left - ink.actualBoundingBoxLeft, bottom - ink.actualBoundingBoxAscent,
                   left + ink.actualBoundingBoxRight, bottom + ink.actualBoundingBoxDescent]
  }
  return facts
})"""
"""What the browser says of each element: a box with its border, a text with the extent of its ink."""

EDIT_ELEMENT = """([index, kind, change]) => {
  const element = document.querySelectorAll("[data-kind]")[index], style = element.style
  const box = element.getBoundingClientRect()
  if (kind == "moved") Object.assign(style, {position: "relative", left: `${change[0]}px`, top: `${change[1]}px`})
  if (kind == "missing") style.visibility = "hidden"
  if (kind == "recoloured") style[element.dataset.kind == "text" ? "color" : "background"] = change
  if (kind == "retyped") element.firstChild.textContent = change
  if (kind == "resized" && element.dataset.kind == "text") style.fontSize = `${change}px`
  if (kind == "resized" && element.dataset.kind == "box")
    Object.assign(style, {width: `${box.width + change[0]}px`, height: `${box.height + change[1]}px`,
                          marginRight: `${-change[0]}px`, marginBottom: `${-change[1]}px`})
}"""
"""Edit one element. Margins take up what a box grows by, so that nothing else moves."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What was done to an element, and where it was and is."""

    kind: ChangeKind
    element: ElementKind
    before: PixelBox
    after: PixelBox | None


@dataclass(frozen=True, slots=True)
class EditedPage:
    """A page before and after an edit. `elements` are those of the browser before it, the page not among them."""

    before: Pixels
    after: Pixels
    png: bytes
    edit: Edit
    elements: tuple[Element, ...]


async def render(browser: Browser, seed: int, kind: ChangeKind) -> EditedPage:
    """Render the page of a seed with an edit of this kind; other seeds have other ones."""
    page_of_seed, random = make_page(seed), Random(seed)  # noqa: S311
    size = {"width": page_of_seed.width, "height": page_of_seed.height}
    context = await browser.new_context(viewport=size, device_scale_factor=page_of_seed.scale)  # type: ignore[arg-type]
    try:
        page = await context.new_page()
        await page.set_content(page_of_seed.html)
        facts = await page.evaluate(READ_ELEMENTS)
        png = await page.screenshot()
        index, change = _choose(facts, kind, random, page_of_seed.words, size)
        await page.evaluate(EDIT_ELEMENT, [index, kind, change])
        edited = (await page.evaluate(READ_ELEMENTS))[index]
        after = await page.screenshot()
    finally:
        await context.close()
    scale = page_of_seed.scale
    place = None if kind == "missing" else _box(edited["edges"], scale)
    edit = Edit(kind, facts[index]["kind"], _box(facts[index]["edges"], scale), place)
    return EditedPage(_pixels(png), _pixels(after), png, edit, tuple(_element(fact, scale) for fact in facts))


def _choose(
    facts: list[dict[str, Any]], kind: ChangeKind, random: Random, words: tuple[str, ...], size: dict[str, int]
) -> tuple[int, Any]:
    """Return an element and how to edit it, such that it covers no other one and stays within its parent."""
    while True:
        index = random.randrange(len(facts))
        fact = facts[index]
        is_text = fact["kind"] == "text"
        if kind == "missing":
            return index, None
        if kind == "recoloured":
            return index, random.choice(("#d1242f", "#1a7f37", "#9a6700", "#8250df"))
        if kind == "retyped" and is_text:
            left, top, right, bottom = fact["outer"]
            room = (right - left) / (LETTER_WIDTH * (bottom - top - 8))
            longer = [word + end for word in words for end in ("", "s", " now", " again")]
            return index, random.choice([text for text in longer if len(text) <= room and text != fact["text"]])
        if kind == "resized" and is_text:
            return index, round((fact["outer"][3] - fact["outer"][1] - 8) * random.choice((0.7, 1.3)))
        step = [random.choice((-1, 1)) * random.randint(4, 40) for _ in range(2)]
        if kind == "moved":
            left, top, right, bottom = fact["edges"]
            edges = [left + step[0], top + step[1], right + step[0], bottom + step[1]]
            if _is_free(facts, index, edges, size):
                return index, step
        if kind == "resized" and not is_text:
            left, top, right, bottom = fact["edges"]
            edges = [left, top, right + step[0], bottom + step[1]]
            inside = [other["edges"] for other in facts if other["parent"] == index]
            holds = all(edge[2] + 4 < edges[2] and edge[3] + 4 < edges[3] for edge in inside)
            if holds and _is_free(facts, index, edges, size):
                return index, step


def _is_free(facts: list[dict[str, Any]], index: int, edges: list[float], size: dict[str, int]) -> bool:
    """Return whether edges lie within the parent of an element and cover nothing beside it."""
    parent = facts[index]["parent"]
    room = [0, 0, size["width"], size["height"]] if parent is None else facts[parent]["edges"]
    others = [other["edges"] for place, other in enumerate(facts) if place != index and other["parent"] == parent]
    is_within = room[0] + 4 < edges[0] and room[1] + 4 < edges[1] and edges[2] + 4 < room[2] and edges[3] + 4 < room[3]
    return is_within and not any(
        edges[0] < other[2] + 16 and other[0] < edges[2] + 16 and edges[1] < other[3] + 4 and other[1] < edges[3] + 4
        for other in others
    )


def _pixels(png: bytes) -> Pixels:
    picture = decode_image(png)
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)


def _element(fact: dict[str, Any], scale: int) -> Element:
    is_text, border = fact["kind"] == "text", round(float(fact["border"].removesuffix("px")) * scale)
    color = _hex(fact["color"] if is_text else fact["background"])
    edge = _hex(fact["edge"]) if border and not is_text else ""
    return Element(fact["kind"], _box(fact["edges"], scale), color, border=edge, parent=fact["parent"])


def _hex(color: str) -> str:
    """Return a colour of the browser, such as rgb(31, 35, 40), as #rrggbb."""
    numbers = color[color.index("(") + 1 : -1].split(",")[:3]
    return "#" + "".join(f"{int(number):02x}" for number in numbers)


def _box(edges: list[float], scale: int) -> PixelBox:
    left, top, right, bottom = (round(edge * scale) for edge in edges)
    return left, top, right - left, bottom - top
