"""Claude Code itself, in a home of its own and without a network, reaches Senses as the README and the installer say."""

import shlex
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_server.setups import SETUPS, add, entry, remove, shim_command
from mcp_server.welcome import Commands, clients
from tests.conformance.processes import daemon
from tests.mcp_server.test_shim import Instance

pytestmark = pytest.mark.timeout(300)


class ClaudeCode:
    """Claude Code with a home of its own, next to a running daemon of the instance in it."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.command = command
        self.home = home
        self.instance = Instance(home / "senses")

    def run(self, *arguments: str) -> str:
        """Call it and return what it prints."""
        environ = {**self.instance.environ, "HOME": str(self.home)}
        ran = subprocess.run(
            [*self.command, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=environ,
            cwd=self.home,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture
def claude(claude_code: list[str], tmp_path: Path) -> Generator[ClaudeCode]:
    """Claude Code next to a running Senses."""
    made = ClaudeCode(claude_code, tmp_path)
    with daemon(made.instance):
        yield made


@pytest.mark.promise("clients:claude-code")
def test_claude_code_connects_as_the_shown_command_sets_it_up(claude: ClaudeCode) -> None:
    shown = dict(clients(Commands("senses", shim_command(), claude.instance.environ["SENSES_HOME"])))["Claude Code"]

    added = claude.run(*shlex.split(shown)[1:])
    listed = claude.run("mcp", "list")
    told = claude.run("mcp", "get", "senses")

    assert "Added stdio MCP server senses" in added
    assert f"senses: {shim_command()} - ✔ Connected" in " ".join(listed.split())
    assert f"SENSES_HOME={claude.instance.environ['SENSES_HOME']}" in told


def test_claude_code_connects_as_the_installer_sets_it_up(claude: ClaudeCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_HOME", claude.instance.environ["SENSES_HOME"])
    setup = SETUPS["claude-code"]

    add(setup, claude.home, entry(setup, shim_command(), [], claude.home)).make()
    listed = claude.run("mcp", "list")
    remove(setup, claude.home).make()
    undone = claude.run("mcp", "list")

    assert "✔ Connected" in listed
    assert "senses" not in undone
