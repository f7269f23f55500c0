"""The table of clients in docs/clients.md, made from the suites themselves. `make docs` writes it."""

import re

from tests.clients.suites import ROOT, SUITES, Suite

TABLE_PAGE = ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- suites: begin -->\n", "<!-- suites: end -->"
HEAD = "| client | package | version | checks |\n|---|---|---|---|\n"


def row(suite: Suite) -> str:
    """Return a line of the table."""
    package = f"`{re.sub(r'-[67]$', '', suite.package)}`" if suite.package else "–"
    return f"| {suite.title} | {package} | {suite.version} | {len(suite.checks)} |\n"


def table() -> str:
    """Return the table as it should be."""
    total = sum(len(suite.checks) for suite in SUITES)
    return f"{HEAD}{''.join(map(row, SUITES))}| all | | | {total} |\n"


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
