"""The protocol's official inspector, on its command line, through the shim: what it reads and how it exits."""

import json
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

from tests.conformance.conftest import NpmTools
from tests.conformance.processes import running_daemon
from tests.mcp_server.launcher.test_shim import SHIM, Instance

pytestmark = pytest.mark.timeout(300)
VIEWER = "ui://senses/viewer"
FAILED, NO_APP, TOOL_ERROR = 1, 2, 5
"""What the inspector exits with, by its manual."""

Era = Literal["legacy", "modern"]
Inspect = Callable[..., "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call of the inspector printed, and how it ended."""

    status: int
    result: dict[str, Any]
    error: str


@pytest.fixture(scope="module")
def inspect(tools: NpmTools, tmp_path_factory: pytest.TempPathFactory) -> Generator[Inspect]:
    """inspect("modern", "--method", …): one call from a project with red.png in it, all to one daemon."""
    folder = tmp_path_factory.mktemp("inspector")
    Image.new("RGB", (64, 48), "red").save(folder / "red.png")
    instance = Instance(folder / "home")
    with running_daemon(instance):
        yield lambda era, *arguments: look(tools, instance, folder, era, *arguments)


def look(tools: NpmTools, instance: Instance, folder: Path, era: Era, *arguments: str) -> Seen:
    """Let the inspector start a shim of the instance, in a folder."""
    environ = {**instance.environ, "HOME": str(folder)}
    given = [option for name, value in environ.items() for option in ("-e", f"{name}={value}")]
    options = ["--cwd", str(folder), "--protocol-era", era, "--format", "json", "--connect-timeout", "60000"]
    command = [*tools.command("@modelcontextprotocol/inspector", "mcp-inspector"), "--cli", *options, *given, *SHIM]
    ran = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True, timeout=120, env=environ)
    return Seen(ran.returncode, json.loads(ran.stdout or "{}").get("result", {}), ran.stderr)


@pytest.mark.promise("mcp:inspector")
@pytest.mark.parametrize(("era", "revision"), [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
def test_the_official_inspector_reads_all_there_is(era: Era, revision: str, inspect: Inspect) -> None:
    opened = inspect(era, "--method", "initialize")
    tools = inspect(era, "--method", "tools/list", "--strict")
    described = inspect(era, "--method", "tools/call", "--tool-name", "describe_image", "--tool-arg", "image=red.png")
    help_text = inspect(era, "--method", "resources/read", "--uri", "senses://help")
    prompt = inspect(era, "--method", "prompts/get", "--prompt-name", "alt_text", "--prompt-args", "path=red.png")

    assert [seen.status for seen in (opened, tools, described, help_text, prompt)] == [0] * 5
    assert (opened.result["serverInfo"]["name"], opened.result["protocolVersion"]) == ("senses", revision)
    assert {"describe_image", "generate_image", "transcribe", "speak"} <= {
        tool["name"] for tool in tools.result["tools"]
    }
    assert tools.error == ""  # no schema that another client would not take
    assert described.result["structuredContent"]["text"] == "A red circle on a white background."
    assert help_text.result["contents"][0]["mimeType"] == "text/markdown"
    assert "describe_image on red.png" in prompt.result["messages"][0]["content"]["text"]


def test_a_failed_tool_and_a_resource_that_is_not_there_have_exit_codes(inspect: Inspect) -> None:
    failed = inspect("modern", "--method", "tools/call", "--tool-name", "describe_image", "--tool-arg", "image=no.png")
    unknown = inspect("modern", "--method", "resources/read", "--uri", "senses://nothing")

    assert failed.status == TOOL_ERROR
    assert "no.png" in failed.result["content"][0]["text"]
    assert unknown.status == FAILED
    assert "senses://nothing" in unknown.error


def test_a_server_that_cannot_start_is_told_with_its_reason(tools: NpmTools, tmp_path: Path) -> None:
    instance = Instance(tmp_path / "home")
    (instance.home / "broken").touch()

    broken = look(tools, instance, tmp_path, "modern", "--method", "tools/list")

    assert broken.status == FAILED
    assert "the fake runtime is broken" in broken.error


@pytest.mark.promise("mcp:inspector")
def test_the_inspector_finds_the_viewer_of_the_tools_that_make_media(inspect: Inspect) -> None:
    advertised = ("--advertise-apps", "--method")
    resources = inspect("modern", *advertised, "resources/list").result["resources"]
    drawing = inspect("modern", *advertised, "tools/call", "--tool-name", "generate_image", "--app-info")
    status = inspect("modern", *advertised, "tools/call", "--tool-name", "media_status", "--app-info")

    assert VIEWER in [resource["uri"] for resource in resources]
    assert drawing.status == 0
    assert status.status == NO_APP
