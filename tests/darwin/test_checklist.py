"""The checklist for the first person with a Mac names commands, options and tests that exist."""

import re
import shlex
import tomllib
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from mcp_server.cli.main import app
from model_runtime.settings.table import SETTINGS
from tests.darwin.branches import ROOT

PAGE = ROOT / "docs" / "mac-checklist.md"
CHECK = re.compile(
    r"^## (\d+)\. ([^\n]+) \((\d+) minutes?\)\n\n```sh\n([^\n]+)\n```\n\n(.+?)(?=\n## |\Z)", re.MULTILINE | re.DOTALL
)
MAC_PROGRAMS = {
    *(
        "afplay",
        "cat",
        "cd",
        "curl",
        "footprint",
        "git",
        "grep",
        "head",
        "killall",
        "memory_pressure",
        "pgrep",
        "pmset",
    ),
    *("sleep", "sw_vers", "sysctl", "uname"),
}
"""Programs of macOS: those in /usr/bin, /bin and /usr/sbin, and of the shell. git comes with the Command Line Tools."""
CLIENTS = {"claude"}
SETTING = re.compile(r"(SENSES_\w+)=")


@dataclass(frozen=True)
class Check:
    """One check: its number, its minutes, its line of the shell, and what it must print."""

    number: int
    minutes: int
    line: str
    expectation: str

    def commands(self) -> list[list[str]]:
        """The words of each command of the line; redirections and settings are left out."""
        tokens = shlex.shlex(self.line.replace("<this repository>", "REPOSITORY"), posix=True, punctuation_chars=";|&>")
        tokens.whitespace_split = True
        commands: list[list[str]] = [[]]
        for word in tokens:
            if ">" in word and not set(word) - set("&>"):
                next(tokens)  # the file
            elif set(word) <= set(";|&"):
                commands.append([])
            elif word != "sudo" and not SETTING.match(word):
                commands[-1].append(word)
        return [command for command in commands if command]


CHECKS = [
    Check(int(number), int(minutes), line, expectation)
    for number, _title, minutes, line, expectation in CHECK.findall(PAGE.read_text(encoding="utf-8"))
]
COMMANDS = [command for check in CHECKS for command in check.commands()]


def calls_of(program: str) -> list[list[str]]:
    """The arguments with which a program is called, each once."""
    called = {tuple(command[1:]) for command in COMMANDS if command[0] == program}
    return [list(arguments) for arguments in sorted(called)]


def test_there_are_twenty_checks_of_at_most_ten_minutes_each_with_what_it_must_print() -> None:
    assert [check.number for check in CHECKS] == list(range(1, 21))
    assert max(check.minutes for check in CHECKS) <= 10
    assert [check.number for check in CHECKS if not re.search(r"\b[Mm]ust ", check.expectation)] == []
    assert [check.number for check in CHECKS if "#" in check.line] == []  # zsh runs no comments at its prompt


def test_every_command_is_of_macos_a_client_make_or_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ours = {f".venv/bin/{name}" for name in (*project["project"]["scripts"], "python", "pytest")}
    known = MAC_PROGRAMS | CLIENTS | ours | {"make"}

    assert sorted({command[0] for command in COMMANDS} - known) == []
    assert {".venv/bin/senses", "make", "curl"} <= {command[0] for command in COMMANDS}


@pytest.mark.parametrize("arguments", calls_of("make"), ids=" ".join)
def test_every_target_of_make_exists(arguments: list[str]) -> None:
    assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", calls_of(".venv/bin/pytest"), ids=" ".join)
def test_every_folder_of_tests_exists(arguments: list[str]) -> None:
    assert (ROOT / arguments[-1]).is_dir()


def test_every_setting_exists() -> None:
    named = {name for check in CHECKS for name in SETTING.findall(check.line)}

    assert named - {setting.variable for setting in SETTINGS.values()} == set()


@pytest.mark.parametrize("arguments", calls_of(".venv/bin/senses"), ids=" ".join)
def test_every_command_of_senses_takes_its_arguments(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, "--help"])  # parses them, and runs nothing

    assert result.exit_code == 0, result.output
