"""Claude Code itself, in a home of its own and without a network, reaches Senses as the README and the installer say."""

import json
import shlex
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mcp_server.client_setup.config_files import CLIENT_CONFIGS, plan_edit, server_entry, shim_command
from mcp_server.client_setup.snippets import InstalledCommands, client_snippets
from tests.conformance.messages_api import ScriptedCall, content_blocks
from tests.conformance.processes import running_daemon
from tests.mcp_server.launcher.test_shim import Instance

pytestmark = pytest.mark.timeout(300)


class ClaudeCode:
    """Claude Code with a home of its own, next to a running daemon of the instance in it."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.command = command
        self.home = home
        self.instance = Instance(home / "senses")

    def run(self, *arguments: str) -> str:
        """Call it and return what it prints."""
        return self._call([*self.command, *arguments])

    def work(self, script: Sequence[ScriptedCall]) -> list[dict[str, Any]]:
        """Let a stand-in for its model call tools; return what the model is told of each."""
        *alone, program = self.command
        model = [sys.executable, "-m", "tests.conformance.messages_api", json.dumps(script)]
        prompt = ["--print", "Go.", "--allowedTools", "mcp__senses"]
        return [
            block
            for block in content_blocks(json.loads(self._call([*alone, *model, program, *prompt])))
            if block["type"] == "tool_result"
        ]

    def _call(self, command: Sequence[str]) -> str:
        environ = {**self.instance.environ, "HOME": str(self.home), "ENABLE_TOOL_SEARCH": "false"}
        ran = subprocess.run(
            command,
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
    with running_daemon(made.instance):
        yield made


@pytest.mark.promise("clients:claude-code")
def test_claude_code_connects_as_the_shown_command_sets_it_up(claude: ClaudeCode) -> None:
    shown = dict(client_snippets(InstalledCommands("senses", shim_command(), claude.instance.environ["SENSES_HOME"])))[
        "Claude Code"
    ]

    added = claude.run(*shlex.split(shown)[1:])
    listed = claude.run("mcp", "list")
    told = claude.run("mcp", "get", "senses")

    assert "Added stdio MCP server senses" in added
    assert f"senses: {shim_command()} - ✔ Connected" in " ".join(listed.split())
    assert f"SENSES_HOME={claude.instance.environ['SENSES_HOME']}" in told


def test_claude_code_connects_as_the_installer_sets_it_up(claude: ClaudeCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_HOME", claude.instance.environ["SENSES_HOME"])
    setup = CLIENT_CONFIGS["claude-code"]

    plan_edit(setup, claude.home, server_entry(setup, shim_command(), [], claude.home)).write()
    listed = claude.run("mcp", "list")
    plan_edit(setup, claude.home, None).write()
    undone = claude.run("mcp", "list")

    assert "✔ Connected" in listed
    assert "senses" not in undone


@pytest.mark.promise("clients:claude-code-results")
def test_the_model_behind_claude_code_is_told_everything_it_needs(claude: ClaudeCode) -> None:
    claude.run(
        "mcp", "add", "--env", f"SENSES_HOME={claude.instance.home}", "--scope", "user", "senses", "--", shim_command()
    )
    Image.new("RGB", (64, 48), "red").save(claude.home / "red.png")

    described, drawn, spoken, failed = claude.work(
        [
            ("mcp__senses__describe_image", {"image": "red.png"}),
            ("mcp__senses__generate_image", {"prompt": "a red circle", "width": 256, "height": 256}),
            ("mcp__senses__speak", {"text": "a red circle"}),
            ("mcp__senses__describe_image", {"image": "missing.png"}),
        ]
    )

    assert structured(described)["text"] == "A red circle on a white background."
    assert [block["type"] for block in drawn["content"]].count("image") == 1
    (picture,) = structured(drawn)["images"]
    assert Path(picture["path"]).is_file()
    assert picture["uri"].startswith("senses://images/")
    assert Path(structured(spoken)["path"]).suffix == ".wav"
    assert failed["is_error"]
    assert "missing.png" in json.dumps(failed["content"])


def structured(result: dict[str, Any]) -> dict[str, Any]:
    """The JSON that a model finds in a result."""
    content = result["content"]
    texts = [content] if isinstance(content, str) else [block["text"] for block in content if block["type"] == "text"]
    (found,) = [json.loads(text) for text in texts if text.startswith("{")]
    assert isinstance(found, dict)
    return found
