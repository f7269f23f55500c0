"""The screenshots: every kind of page, light and dark, in two densities and four scripts; and the few of every test run."""

from dataclasses import dataclass

from tests.screenshots.pages import PAGE_KINDS, THEMES, PageKind

LATIN = ("english", "european")
CODE_KINDS = ("editor", "terminal")


@dataclass(frozen=True, slots=True)
class PageCase:
    """One screenshot: `scale` device pixels a CSS pixel."""

    script: str
    kind: PageKind
    theme: str
    scale: int

    @property
    def name(self) -> str:
        """A name that no other case has."""
        return f"{self.script}-{self.kind.name}-{self.theme}-{self.scale}x"


def _cases(script: str, *, looks: tuple[tuple[str, int], ...]) -> list[PageCase]:
    kinds = [kind for kind in PAGE_KINDS if script == "english" or kind.name not in CODE_KINDS]
    return [PageCase(script, kind, theme, scale) for kind in kinds for theme, scale in looks]


EVERY_LOOK = tuple((theme, scale) for theme in THEMES for scale in (1, 2))
TWO_LOOKS = (("light", 1), ("dark", 2))

ALL_CASES = [
    *_cases("english", looks=EVERY_LOOK),
    *_cases("european", looks=TWO_LOOKS),
    *_cases("chinese", looks=TWO_LOOKS),
    *_cases("korean", looks=TWO_LOOKS),
]

FEW_CASES = [
    case
    for case in ALL_CASES
    if case.name
    in {
        "english-article-light-2x", "english-dashboard-dark-1x", "english-editor-dark-1x", "english-terminal-light-1x",
        "english-table-dark-1x", "english-form-light-1x", "english-chart-light-1x", "english-phone-dark-2x",
        "european-article-light-1x", "chinese-table-light-1x",
    }
]  # fmt: skip
"""One of each kind, for every run of the tests."""
