"""Pages as coding agents see them in screenshots: eight kinds, light and dark, as HTML."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

FONT_FILE = Path(__file__).with_name("droid-fallback-subset.woff")
"""Hangul, kana and Chinese of `words.py`, cut out of Droid Sans Fallback (Apache-2.0) with `python -m
fontTools.subset`: machines without fonts of these languages would draw boxes."""

THEMES = {
    "light": ("#ffffff", "#1f2328", "#f6f8fa", "#0969da", "#57606a"),
    "dark": ("#0d1117", "#e6edf3", "#161b22", "#4493f8", "#9198a1"),
}
"""Name → background, text, panel, accent and muted text."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a page says. `prose` is sentences, `labels` are at most 24 characters each."""

    title: str
    labels: Sequence[str]
    prose: Sequence[str]
    code: Sequence[str]
    shell: Sequence[str]


@dataclass(frozen=True, slots=True)
class PageKind:
    """One kind of page: how its body is written, and the size of its window in CSS pixels."""

    name: str
    write: Callable[[Words], str]
    width: int = 1280
    height: int = 800


def page_head(theme: str) -> str:
    """Return a page in the colours of a theme, without its body."""
    background, text, panel, accent, muted = THEMES[theme]
    return f"""<!doctype html><meta charset="utf-8"><style>
@font-face {{ font-family: "CJK"; src: url("data:font/woff;base64,{_font()}"); }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: {background}; color: {text}; font: 14px/1.5 "DejaVu Sans", Arial, "CJK", sans-serif; }}
.panel {{ background: {panel}; padding: 12px 16px; border-radius: 8px; }}
.muted {{ color: {muted}; font-size: 12px; }} .accent {{ color: {accent}; }}
.button {{ background: {accent}; color: {background}; padding: 8px 16px; border-radius: 6px; display: inline-block; }}
.row {{ display: flex; gap: 24px; }} .column {{ display: flex; flex-direction: column; gap: 10px; }}
pre {{ font: 13px/1.6 "DejaVu Sans Mono", Menlo, "CJK", monospace; margin: 0; padding: 12px 16px; }}
h1 {{ font-size: 24px; margin: 0 0 12px; }} h2 {{ font-size: 17px; margin: 0 0 8px; }} p {{ margin: 0 0 12px; }}
td, th {{ padding: 8px 28px 8px 8px; text-align: left; border-bottom: 1px solid {panel}; }}
.field {{ border: 1px solid {muted}; border-radius: 6px; padding: 8px 12px; width: 320px; }}
</style><body>"""


def _font() -> str:
    return base64.b64encode(FONT_FILE.read_bytes()).decode()


def _article(words: Words) -> str:
    halves = (words.prose[: len(words.prose) // 2], words.prose[len(words.prose) // 2 :])
    columns = "".join(
        f'<div style="width: 560px">{"".join(f"<p>{escape(sentence)}</p>" for sentence in half)}</div>'
        for half in halves
    )
    return f'<div style="padding: 32px 48px"><h1>{escape(words.title)}</h1><div class="row">{columns}</div></div>'


def _dashboard(words: Words) -> str:
    entries = "".join(f"<div>{escape(label)}</div>" for label in words.labels[:6])
    cards = "".join(
        f'<div class="panel" style="width: 280px"><div class="muted">{escape(label)}</div>'
        f'<h1 style="margin: 4px 0 0">{number}</h1></div>'
        for label, number in zip(words.labels[6:9], ("1,284", "99.7%", "$48,310.55"), strict=True)
    )
    notes = "".join(f"<p>{escape(sentence)}</p>" for sentence in words.prose[:4])
    return (
        f'<div class="row" style="gap: 0"><div class="panel column" style="width: 240px; height: 800px; '
        f'border-radius: 0">{entries}</div><div style="padding: 24px 32px"><h1>{escape(words.title)}</h1>'
        f'<div class="row" style="margin-bottom: 24px">{cards}</div>{notes}</div></div>'
    )


def _editor(words: Words) -> str:
    names = "".join(f"<div>{escape(label)}</div>" for label in words.labels[:4])
    lines = "\n".join(escape(line) for line in words.code)
    return (
        f'<div class="row" style="gap: 0"><div class="panel column" style="width: 220px; height: 800px; '
        f'border-radius: 0">{names}</div><pre>{lines}</pre></div>'
    )


def _terminal(words: Words) -> str:
    return f'<div class="muted" style="padding: 6px 16px">{escape(words.title)}</div><pre>{_escaped(words.shell)}</pre>'


def _table(words: Words) -> str:
    labels = words.labels
    head = "".join(f"<th>{escape(label)}</th>" for label in (labels[0], labels[1], labels[2], labels[3]))
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{escape(labels[-1 - index])}</td><td>{1500 + 37 * index}.{index}5</td>"
        f"<td>2026-0{index % 9 + 1}-1{index % 9}</td></tr>"
        for index, label in enumerate(labels[4:12])
    )
    return f'<div style="padding: 24px 32px"><h1>{escape(words.title)}</h1><table><tr>{head}</tr>{rows}</table></div>'


def _form(words: Words) -> str:
    fields = "".join(
        f'<div><div style="margin-bottom: 4px">{escape(label)}</div><div class="field">{escape(value)}</div></div>'
        for label, value in zip(words.labels[:5], words.labels[5:10], strict=True)
    )
    return (
        f'<div class="column" style="padding: 24px 48px; width: 640px"><h1>{escape(words.title)}</h1>{fields}'
        f'<div><span class="button">{escape(words.labels[10])}</span></div>'
        f'<div class="muted">{escape(words.prose[0])}</div></div>'
    )


def _chart(words: Words) -> str:
    bars = "".join(
        f'<text x="{90 + 130 * index}" y="420" text-anchor="middle" fill="currentColor">{escape(label)}</text>'
        f'<rect x="{60 + 130 * index}" y="{400 - 36 * (index + 2)}" width="60" height="{36 * (index + 2)}" '
        f'fill="#4c8dd6"/>'
        for index, label in enumerate(words.labels[:6])
    )
    ticks = "".join(
        f'<text x="40" y="{405 - 90 * index}" text-anchor="end" fill="currentColor">{25 * index}%</text>'
        for index in range(5)
    )
    return (
        f'<div style="padding: 24px 32px"><h1>{escape(words.title)}</h1><p>{escape(words.prose[0])}</p>'
        f'<svg width="900" height="460" font-size="13">{ticks}{bars}</svg></div>'
    )


def _phone(words: Words) -> str:
    entries = "".join(
        f'<div class="panel"><div>{escape(label)}</div><div class="muted">{escape(other)}</div></div>'
        for label, other in zip(words.labels[:7], words.labels[7:14], strict=True)
    )
    return f'<div class="column" style="padding: 24px 16px"><h2>{escape(words.title)}</h2>{entries}</div>'


def _escaped(lines: Sequence[str]) -> str:
    return "\n".join(escape(line) for line in lines)


PAGE_KINDS = (
    PageKind("article", _article),
    PageKind("dashboard", _dashboard),
    PageKind("editor", _editor),
    PageKind("terminal", _terminal),
    PageKind("table", _table),
    PageKind("form", _form),
    PageKind("chart", _chart),
    PageKind("phone", _phone, width=390, height=844),
)
