"""Every fenced block of README and docs/ has a way in which it is checked; a block without one fails."""

import ast
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from mcp_server.cli.main import app
from model_runtime.settings.load import load_settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"(?:http|ws)://[\w.-]+:7367(/[\w/.-]*)?")
BASE_URLS = ("", "/", "/v1")
OPERATORS = {"|", "&", "&&", "||", ";", "&>", ">", ">>", "<"}


class Block(NamedTuple):
    """A fenced block: its page, the number of its line, its language and its text."""

    page: str
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """Every block of every page."""
    return [
        block for page in PAGES for block in blocks_of(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    ]


def blocks_of(page: str, text: str) -> list[Block]:
    """The blocks of one page."""
    return [Block(page, text[: match.start()].count("\n") + 1, match[1], match[2]) for match in FENCE.finditer(text)]


def check_shell(block: Block, home: Path) -> None:
    """Check each `senses` command, with all its options, by the program's own parser."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for words in simple_commands(line):
            if words[0] in ("senses", ".venv/bin/senses"):
                parse_command(get_command(app), words[1:])


def simple_commands(line: str) -> list[list[str]]:
    """Split a line of the shell at its operators."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            commands.append([])
        elif commands[-1] or not re.match(r"[A-Z_]+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def parse_command(command: Any, words: list[str]) -> None:
    """Parse as the program does, without running anything.

    Raises:
        UsageError: there is no such command or option, or an argument is missing.
    """
    if "--version" in words[:1]:
        return
    context = command.make_context("senses", words)
    if isinstance(getattr(command, "commands", None), dict) and words:
        _name, inner, rest = command.resolve_command(context, words)
        parse_command(inner, rest)


def check_toml(block: Block, home: Path) -> None:
    """Read it as config.toml."""
    (home / "config.toml").write_text(block.text, encoding="utf-8")
    load_settings({"SENSES_HOME": str(home)})


CHECKS: dict[str, Callable[[Block, Path], object]] = {
    "sh": check_shell,
    "toml": check_toml,
    "json": lambda block, home: json.loads(block.text),
    "yaml": lambda block, home: yaml.safe_load(block.text),
    "python": lambda block, home: ast.parse(block.text),
}
PLAIN = {"model_runtime/    models": "test_docs.py compares the tree", "1  a yellow heart": "what `senses demo` prints"}
"""How blocks without a language begin, and what they are."""


@pytest.mark.promise("docs:blocks")
@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_is_what_the_program_reads(block: Block, tmp_path: Path) -> None:
    if not block.language:
        assert block.text.startswith(tuple(PLAIN))
        return

    assert block.language in CHECKS, f"declare how blocks of {block.language} are checked"
    CHECKS[block.language](block, tmp_path)


@pytest.mark.promise("docs:blocks")
def test_every_address_in_a_block_is_an_endpoint() -> None:
    endpoints = re.findall(
        r"(?:[A-Z]+|WebSocket) (/[\w/.{}-]*)", (ROOT / "docs" / "endpoints.md").read_text(encoding="utf-8")
    )
    patterns = [re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in endpoints]

    found = {match[1] or "" for block in blocks() for match in ADDRESS.finditer(block.text)}

    assert len(found) > 5
    assert [
        path for path in sorted(found - set(BASE_URLS)) if not any(pattern.fullmatch(path) for pattern in patterns)
    ] == []


def test_an_option_that_does_not_exist_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No such option: --louder"):
        check_shell(Block("", 1, "sh", "cat x | senses speak --louder\n"), tmp_path)
