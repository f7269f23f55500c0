"""The tools of `packaging/package.json`, which `make test` installs where there is npm."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conformance.claude_code import claude_code_command
from tests.mcp_server.conftest import paths  # noqa: F401

PACKAGING = Path(__file__).parents[2] / "packaging"
MODULES = PACKAGING / "node_modules"
NODE_MAJOR = 22
"""The oldest that the tools run on."""


@dataclass(frozen=True, slots=True)
class NpmTools:
    """A node, and the commands of installed packages by their names."""

    node: str

    def command(self, package: str, name: str) -> list[str]:
        """Return how to run a package's command; raises `KeyError` where it has none of that name."""
        folder = MODULES / package
        table = json.loads((folder / "package.json").read_text(encoding="utf-8"))["bin"]
        script = table if isinstance(table, str) else table[name]
        return [self.node, str(folder / script)]


@pytest.fixture(scope="session")
def tools() -> NpmTools:
    """The installed tools; where there are none, a developer may go on without, continuous integration not."""
    node = find_node()
    if node and (MODULES / ".package-lock.json").exists():
        return NpmTools(node)
    return skip_or_fail(
        f"The tools of packaging/package.json need npm and node {NODE_MAJOR}: make packaging/node_modules/.package-lock.json"
    )


@pytest.fixture(scope="session")
def claude_code() -> list[str]:
    """Claude Code's command, without a network; where it is not installed the same holds as for the tools."""
    if sys.platform != "linux":
        pytest.skip("Claude Code is tried without a network, which only unshare of Linux can do.")
    command = claude_code_command()
    return command or skip_or_fail("Claude Code is tried without a network, with unshare. Install it: make clients")


def skip_or_fail(what: str) -> NoReturn:
    """Tell that something is not installed: only continuous integration must have everything."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def find_node() -> str | None:
    """Return the node that came with the tools, or else the machine's where it is new enough."""
    pinned = next(MODULES.glob("node-linux-*/bin/node"), None)
    if pinned is not None:
        return str(pinned)
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""
    return node if version and int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR else None
