"""Pages with random looks: panels, cards, fields, buttons, badges and lines of text, none of which move another."""

from dataclasses import dataclass
from random import Random

THEMES = (
    ("#ffffff", "#1f2328", "#f6f8fa", "#0969da", "#57606a"),
    ("#0d1117", "#e6edf3", "#161b22", "#4493f8", "#9198a1"),
    ("#faf7f2", "#2b2118", "#ffffff", "#b4541a", "#7a6a5c"),
    ("#1e1e2e", "#cdd6f4", "#313244", "#f38ba8", "#a6adc8"),
    ("#eef2f7", "#0f172a", "#ffffff", "#7c3aed", "#64748b"),
)
"""Background, text, panel, accent and muted text."""
WORDS = (
    "Overview", "Projects", "Team members", "Billing", "API keys", "Monthly users", "Uptime", "Revenue", "Save changes",
    "Cancel", "Sign in with email", "Export as CSV", "Last updated today", "99.7%", "1,284", "$48,310.55", "Delete account",
    "Invite people", "Jane Cooper", "Notifications", "Dark mode", "Forgot password?", "Deploy now", "Roll back",
)  # fmt: skip
SIZES = ((1280, 800), (1024, 768), (800, 1000))
LETTER_WIDTH = 0.9
"""Of the size of the type; so much that the text fits in another size of type, too."""
STYLE = """* { box-sizing: border-box; }
body { margin: 0; font-family: "DejaVu Sans", Arial, sans-serif; }
div { flex: none; }
.row { display: flex; align-items: flex-start; } .column { display: flex; flex-direction: column; align-items: flex-start; }
.text { white-space: nowrap; }"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its HTML, and the size and pixel density of its window."""

    html: str
    words: tuple[str, ...]
    accent: str
    width: int
    height: int
    scale: int


def make_page(seed: int) -> Page:
    """Return a page of one's own looks for each seed."""
    return _Writer(Random(seed)).page()  # noqa: S311


class _Writer:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.background, self.text, self.panel, self.accent, self.muted = random.choice(THEMES)
        self.radius, self.gap = random.choice((0, 4, 8, 12)), random.choice((8, 12, 16, 24))
        self.border = random.choice(("", f"border: {random.choice((1, 2))}px solid {self.muted};"))
        self.shadow = random.choice(("", "box-shadow: 0 1px 3px rgba(0, 0, 0, 0.2);"))

    def page(self) -> Page:
        write, sizes = self.random.choice(((self._dashboard, SIZES[:2]), (self._form, SIZES), (self._list, SIZES)))
        html = (
            f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body style="background: {self.background}">'
        )
        width, height = self.random.choice(sizes)
        return Page(html + write(), WORDS, self.accent, width, height, self.random.choice((1, 1, 2)))

    def _dashboard(self) -> str:
        entries = "".join(self._line(14, 160) for _ in range(self.random.randint(3, 7)))
        cards = "".join(self._card() for _ in range(3))
        lower = self._box(440, self.random.randint(120, 260), self.panel, self._line(16, 260) + self._button())
        main = self._line(26, 400, bold=True) + self._row(cards) + lower
        sidebar = f'<div class="column" style="width: 200px; padding: 20px; gap: {self.gap}px">{entries}</div>'
        return self._row(sidebar + f'<div class="column" style="padding: 32px 0; gap: {self.gap + 8}px">{main}</div>')

    def _form(self) -> str:
        fields = "".join(
            f'<div class="column" style="gap: 6px">{self._line(13, 200, self.muted)}{self._field()}</div>'
            for _ in range(self.random.randint(3, 6))
        )
        buttons = self._row(self._button() + self._button())
        return (
            f'<div class="column" style="padding: 40px; gap: {self.gap}px">{self._line(24, 360)}{fields}{buttons}</div>'
        )

    def _list(self) -> str:
        rows = "".join(
            self._box(520, 64, self.panel, self._row(self._line(15, 220) + self._line(12, 160, self.muted)))
            for _ in range(self.random.randint(4, 8))
        )
        return f'<div class="column" style="padding: 24px 16px; gap: {self.gap}px">{self._line(20, 300)}{rows}</div>'

    def _card(self) -> str:
        inside = self._line(13, 150, self.muted) + self._line(self.random.choice((20, 26)), 170, bold=True)
        return self._box(210, self.random.randint(96, 150), self.panel, inside)

    def _field(self) -> str:
        style = f"border: 1px solid {self.muted}; border-radius: {self.radius}px; padding: 8px 12px; width: 320px"
        return f'<div data-kind="box" style="{style}; background: {self.panel}">{self._line(14, 220)}</div>'

    def _button(self) -> str:
        style = f"background: {self.accent}; border-radius: {self.radius}px; padding: 10px 18px; width: 190px"
        return f'<div data-kind="box" style="{style}">{self._line(14, 150, self.background)}</div>'

    def _box(self, width: int, height: int, color: str, inside: str) -> str:
        style = (
            f"width: {width}px; height: {height}px; background: {color}; border-radius: {self.radius}px; padding: 16px"
        )
        return (
            f'<div data-kind="box" class="column" style="{style}; gap: 10px; {self.border}{self.shadow}">{inside}</div>'
        )

    def _row(self, inside: str) -> str:
        return f'<div class="row" style="gap: {self.gap}px">{inside}</div>'

    def _line(self, size: int, width: int, color: str = "", *, bold: bool = False) -> str:
        style = f"font-size: {size}px; line-height: {size + 8}px; height: {size + 8}px; width: {width}px"
        weight = "bold" if bold else "normal"
        word = self.random.choice([word for word in WORDS if LETTER_WIDTH * size * len(word) <= width])
        return (
            f'<div data-kind="text" class="text" style="{style}; font-weight: {weight}; color: {color or self.text}">'
            f"<span>{word}</span></div>"
        )
