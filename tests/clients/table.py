"""The table of clients in docs/clients.md, made from the suites themselves. `make docs` writes it."""

import re

from tests.clients.suites import FOLDER, ROOT, SUITES, Suite

TABLE_PAGE = ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- suites: begin -->\n", "<!-- suites: end -->"
HEAD = "| client | package | version | checks |\n|---|---|---|---|\n"

REPLAYED = {
    "open_webui": "Open WebUI 0.12.4",
    "home_assistant": "Home Assistant: local_openai, openai_tts",
    "continue": "Continue",
    "cline": "Cline",
    "aider": "aider",
    "opencode": "opencode",
    "cursor": "Cursor",
}
"""How the names of its tests in test_replays.py begin, and what the program is called."""


def row(suite: Suite) -> str:
    """Return a line of the table."""
    return f"| {suite.title} | `{suite.package}` | {suite.version} | {len(suite.checks)} |\n"


def table() -> str:
    """Return the table as it should be."""
    total = sum(len(suite.checks) for suite in SUITES) + sum(replays().values())
    replayed = [f"| {REPLAYED[name]} | – | replayed | {count} |\n" for name, count in replays().items()]
    return f"{HEAD}{''.join(map(row, SUITES))}{''.join(replayed)}| all | | | {total} |\n"


def replays() -> dict[str, int]:
    """Return how many requests of each program are replayed."""
    source = (FOLDER / "test_replays.py").read_text(encoding="utf-8")
    return {name: len(re.findall(rf"^def test_{name}_", source, re.MULTILINE)) for name in REPLAYED}


def documented() -> str:
    """Return the table as the page has it."""
    return TABLE_PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Write the table into the page."""
    page = TABLE_PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    TABLE_PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
