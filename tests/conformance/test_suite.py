"""The protocol's official conformance suite against the daemon: its HTTP application, mount and checks of Host and Origin.

Only the tools, resources and prompts that the suite calls by name are added. No failure is expected: there is no baseline.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.daemon import daemon
from mcp_server.launcher.paths import InstancePaths
from mcp_server.server import SensesServer, create_server
from model_runtime.settings import Settings
from tests.conformance.conftest import MODULES, NpmTools
from tests.conformance.contents import add_contents
from tests.conformance.questions import add_questions
from tests.mcp_server.daemons import running_daemon

SUITE_SECONDS = 240
"""Ten where nothing else runs."""
SUITE = "@modelcontextprotocol/conformance"
LATEST = "conformance-latest"
RUN = re.compile(r"server-(.+)-\d{4}-\d{2}-\d{2}T")
"""The folder of one scenario's results."""
pytestmark = [
    pytest.mark.timeout(300),
    # the suite asks for sampling, folders and log messages, which the newest revision deprecates
    pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning"),
]


@pytest.fixture(autouse=True)
def what_the_suite_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the daemon's server have what the suite calls by name."""

    def create(*arguments: Any, **options: Any) -> SensesServer:
        server = create_server(*arguments, **options)
        add_contents(server)
        add_questions(server)
        return server

    monkeypatch.setattr(daemon, "create_server", create)


@pytest.mark.promise("mcp:conformance")
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_all_that_a_revision_requires_passes(
    revision: str, tools: NpmTools, settings: Settings, paths: InstancePaths, tmp_path: Path
) -> None:
    command = [*tools.command(SUITE, "conformance"), "server", "--requirements", revision, "-o", str(tmp_path / "out")]

    async with running_daemon(settings, paths, timeout_seconds=SUITE_SECONDS) as info:
        ran = await anyio.run_process([*command, "--url", f"{info.url}/mcp"], check=False, cwd=tmp_path)

    assert ran.returncode == 0, ran.stdout.decode()
    checks = outcomes(tmp_path / "out")
    assert {name: checks[name] for name in required(revision) if set(checks[name]) - {"SUCCESS", "INFO"}} == {}
    assert [name for name in required(revision) if not checks[name]["SUCCESS"]] == []


async def test_the_suites_stable_release_passes(
    tools: NpmTools, settings: Settings, paths: InstancePaths, tmp_path: Path
) -> None:
    command = [*tools.command(LATEST, "conformance"), "server", "-o", str(tmp_path / "out")]

    async with running_daemon(settings, paths, timeout_seconds=SUITE_SECONDS) as info:
        ran = await anyio.run_process([*command, "--url", f"{info.url}/mcp"], check=False, cwd=tmp_path)

    assert ran.returncode == 0, ran.stdout.decode()
    checks = outcomes(tmp_path / "out")
    assert len(checks) >= 30
    assert {name: seen for name, seen in checks.items() if set(seen) - {"SUCCESS", "INFO"}} == {}


def required(revision: str) -> list[str]:
    """The scenarios of a server that count for a revision."""
    text = (MODULES / SUITE / "requirements" / f"{revision}.yaml").read_text(encoding="utf-8")
    section = text.partition("\nserver:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^  - (\S+)$", section, re.MULTILINE)
    assert len(names) >= 30
    return names


def outcomes(folder: Path) -> dict[str, Counter[str]]:
    """How many checks of each scenario ended how."""
    return {
        match[1]: Counter(check["status"] for check in json.loads((run / "checks.json").read_text(encoding="utf-8")))
        for run in folder.iterdir()
        if (match := RUN.match(run.name))
    }
