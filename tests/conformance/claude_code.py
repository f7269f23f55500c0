"""Claude Code itself, in a home of its own and without a network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.messages_api import API_KEY, ScriptedCall, tool_results
from tests.mcp_server.launcher.test_shim import Instance

CLIENTS = Path(__file__).parents[2] / "packaging" / "clients" / "node_modules"


def claude_code_command() -> list[str] | None:
    """Return Claude Code's command in an empty network, or None where it or `unshare` is missing."""
    if sys.platform != "linux":
        return None
    program = next(CLIENTS.glob("@anthropic-ai/claude-code-*/claude"), None)
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if program is None or shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        return None
    return [*alone, str(program)]


class ClaudeCode:
    """Claude Code with a home of its own, next to a running daemon of the instance in it."""

    def __init__(self, command: list[str], home: Path, instance: Instance | None = None) -> None:
        self.command = command
        self.home = home
        self.instance = instance or Instance(home / "senses")

    def settle(self, project: Path, shim: str, environ: Mapping[str, str]) -> None:
        """Write the settings of someone who has Senses, and has answered what Claude Code asks at first."""
        settings = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [API_KEY[-20:]], "rejected": []},
            "projects": {str(project): {"hasTrustDialogAccepted": True}},
            "mcpServers": {"senses": {"type": "stdio", "command": shim, "args": [], "env": dict(environ)}},
        }
        (self.home / ".claude.json").write_text(json.dumps(settings), encoding="utf-8")

    def run(self, *arguments: str) -> str:
        """Call it and return what it prints."""
        return self._call([*self.command, *arguments])

    def work(self, script: Sequence[ScriptedCall]) -> list[dict[str, Any]]:
        """Let a stand-in for its model call tools; return what the model is told of each."""
        return tool_results(self.converse(script))

    def converse(self, script: Sequence[ScriptedCall], *, tool_search: str = "false") -> list[dict[str, Any]]:
        """Let a stand-in for its model call tools; return the whole conversation. `tool_search` "true" defers tools."""
        *alone, program = self.command
        model = [sys.executable, "-m", "tests.conformance.messages_api", json.dumps(script)]
        prompt = ["--print", "Go.", "--allowedTools", "mcp__senses"]
        told = self._call([*alone, *model, program, *prompt], tool_search)
        conversation: list[dict[str, Any]] = json.loads(told)
        return conversation

    def work_in_terminal(
        self,
        script: Sequence[ScriptedCall],
        answers: Sequence[tuple[str, str]],
        folder: Path,
        environ: Mapping[str, str],
    ) -> list[dict[str, Any]]:
        """Like `work` in this folder, where a person answers what is on the screen."""
        *alone, program = self.command
        model = [sys.executable, "-m", "tests.conformance.messages_api", "--answers", json.dumps(answers)]
        client = [program, "Go.", "--allowedTools", "mcp__senses"]
        quiet = {"ENABLE_TOOL_SEARCH": "false", "TERM": "xterm-256color", "DISABLE_AUTOUPDATER": "1"}
        ran = subprocess.run(
            [*alone, *model, json.dumps(script), *client],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            env={**environ, **quiet},
            cwd=folder,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return tool_results(json.loads(ran.stdout))

    def ask_local_model(self, *prompts: str) -> dict[str, Any]:
        """Ask it with a tiny model behind a daemon of its own; return its answers and which requests it made."""
        *alone, program = self.command
        model = [sys.executable, "-m", "tests.conformance.messages_daemon"]
        told: dict[str, Any] = json.loads(self._call([*alone, *model, program, *prompts]))
        return told

    def _call(self, command: Sequence[str], tool_search: str = "false") -> str:
        environ = {**self.instance.environ, "HOME": str(self.home), "ENABLE_TOOL_SEARCH": tool_search}
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
