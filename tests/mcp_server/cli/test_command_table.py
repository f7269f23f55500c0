"""docs/commands.md and the program agree on the commands, what they do, and which of them print JSON."""

from pathlib import Path

import pytest
from typer.main import get_command

from mcp_server.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
WITHOUT_JSON = {"serve", "doctor", "demo", "service"}
"""Those that make no result for programs: they run for a person who watches them."""


def commands() -> dict[str, str]:
    """Command, as it is typed → the first sentence of its help; groups, which list by themselves, and what is in them."""
    found: dict[str, str] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, one in [("", command), *getattr(command, "commands", {}).items()]:
            found[f"{name} {inner}".strip()] = str(one.help).partition("\n")[0].strip()
    return found


@pytest.mark.promise("cli:commands")
def test_the_table_has_every_command_with_its_help() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `senses ")]

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    assert dict(rows) == {f"`senses {name}`": text for name, text in commands().items()}


def test_every_command_with_a_result_prints_it_as_json_too() -> None:
    group = get_command(app)
    printing = set()
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for inner, one in [("", command), *getattr(command, "commands", {}).items()]:
            if any("--json" in parameter.opts for parameter in one.params):
                printing.add(f"{name} {inner}".strip())

    assert set(commands()) - printing == WITHOUT_JSON
