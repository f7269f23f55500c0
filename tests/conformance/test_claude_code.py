"""Claude Code itself, in a home of its own and without a network, reaches Senses as the README and the installer say."""

import json
import re
import shlex
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image

from mcp_server.calls.fence import FENCE_END, FENCE_START
from mcp_server.cli.install import install_text
from mcp_server.client_setup.config_files import shim_command
from mcp_server.client_setup.snippets import InstalledCommands, client_snippets
from tests.conformance.claude_code import ClaudeCode
from tests.conformance.messages_api import structured
from tests.conformance.processes import running_daemon
from tests.conformance.tool_search import HIDDEN, QUERIES, documented, search, table

pytestmark = pytest.mark.timeout(300)


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


@pytest.mark.promise("install:skill")
def test_claude_code_connects_as_the_installer_sets_it_up(claude: ClaudeCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_HOME", claude.instance.environ["SENSES_HOME"])
    monkeypatch.setattr(Path, "home", lambda: claude.home)

    install_text("claude-code", [], undo=False, dry_run=False, link=False)
    listed, plugins = claude.run("mcp", "list"), claude.run("plugin", "list")
    install_text("claude-code", [], undo=True, dry_run=False, link=False)
    undone, plugins_undone = claude.run("mcp", "list"), claude.run("plugin", "list")

    assert "✔ Connected" in listed
    assert re.search(r"senses@skills-dir\s.*Status: ✔ loaded", plugins, re.DOTALL)
    assert "senses" not in undone
    assert "senses" not in plugins_undone


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
    assert next(iter(structured(described))) == "notice"
    assert [*structured(described)][-3:] == [FENCE_START, "text", FENCE_END]
    assert [block["type"] for block in drawn["content"]].count("image") == 1
    (picture,) = structured(drawn)["images"]
    assert Path(picture["path"]).is_file()
    assert picture["uri"].startswith("senses://images/")
    assert Path(structured(spoken)["path"]).suffix == ".wav"
    assert failed["is_error"]
    assert "missing.png" in json.dumps(failed["content"])


@pytest.mark.promise("clients:claude-code-model")
def test_claude_code_answers_with_a_model_of_this_machine(claude_code: list[str], tmp_path: Path) -> None:
    told = ClaudeCode(claude_code, tmp_path).ask_local_model("/context", "Say it.")

    context, answer = told["answers"]
    assert "| Messages |" in context
    assert answer == " Describe the picture:how many objects are in one image? A red square on a white background.\n"
    made = [request for request, _ in told["requests"]]
    assert set(made) == {"HEAD /api/hello", "POST /v1/messages/count_tokens", "POST /v1/messages"}
    assert {status for request, status in told["requests"] if request.startswith("POST")} == {"200"}


@pytest.mark.promise("clients:tool-search")
def test_claude_code_finds_each_tool_by_the_words_of_people(claude: ClaudeCode) -> None:
    results = search(claude)

    assert {one.tool for one in results} <= QUERIES.keys()
    assert sum(one.is_good for one in results) >= 40
    assert [one for one in results if not one.is_good and one.query not in HIDDEN] == []
    assert [one for one in results if one.tool not in one.found] == []
    assert documented() == table(results), "docs/clients.md is out of date: make tool-search"
