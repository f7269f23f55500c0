"""The bundle for desktop apps: what its own tools say of it, and that the command an app makes of it starts Senses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from tests.conformance.conftest import MODULES, NpmTools
from tests.conformance.processes import running_daemon
from tests.mcp_server.launcher.test_shim import SHIM, Instance

pytestmark = pytest.mark.timeout(300)
REPOSITORY = MODULES.parents[1]
MCPB = "@anthropic-ai/mcpb"
APP = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";
const [manifest, options] = process.argv.slice(1).map((text) => JSON.parse(text));
console.log(JSON.stringify(await getMcpConfigForManifest({ manifest, ...options })));
"""
"""What a desktop app does with a manifest and its user's settings, by the bundle's own library."""


@pytest.fixture
def bundle(tools: NpmTools, tmp_path: Path) -> Path:
    """The bundle as an app unpacks it, after it was found valid and packed."""
    made, packed, unpacked = tmp_path / "made", tmp_path / "senses.mcpb", tmp_path / "unpacked"
    subprocess.run([sys.executable, REPOSITORY / "packaging" / "mcpb" / "build.py", made], check=True)
    for arguments in (("validate", made / "manifest.json"), ("pack", made, packed), ("unpack", packed, unpacked)):
        ran = subprocess.run(
            [*tools.command(MCPB, "mcpb"), *arguments], check=False, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return unpacked


def configured(tools: NpmTools, bundle: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The command that an app makes of the bundle and its user's settings."""
    options = {"extensionPath": str(bundle), "systemDirs": {}, "userConfig": settings, "pathSeparator": "/"}
    manifest = (bundle / "manifest.json").read_text(encoding="utf-8")
    ran = subprocess.run(
        [tools.node, "--input-type=module", "--eval", APP, manifest, json.dumps(options)],
        check=True,
        capture_output=True,
        text=True,
        cwd=MODULES.parent,
        timeout=120,
    )
    config: dict[str, Any] = json.loads(ran.stdout)
    return config


@pytest.mark.promise("packaging:bundle")
async def test_the_bundle_is_valid_and_starts_the_installed_senses_with_its_users_settings(
    bundle: Path, tools: NpmTools, tmp_path: Path
) -> None:
    instance = Instance(tmp_path / "home")
    (tmp_path / "Pictures").mkdir()
    seen = tmp_path / "seen"
    installed = tmp_path / "senses-mcp"
    installed.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\nenv >> {seen}\nexec {" ".join(SHIM)} "$@"\n')
    installed.chmod(0o755)
    config = configured(tools, bundle, {"program": str(installed), "vision_model": "vlm-best"})
    environ = {**instance.environ, **config["env"], "HOME": str(tmp_path)}

    with running_daemon(instance):
        async with Client(StdioServerParameters(command="python3", args=config["args"], env=environ)) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}

    lines = seen.read_text(encoding="utf-8").splitlines()
    assert config["command"] == "python3"
    assert {tool["name"] for tool in json.loads((bundle / "manifest.json").read_text())["tools"]} <= names
    assert lines[0] == str(tmp_path / "Pictures")  # the only one of the default folders that exists
    assert [line for line in lines if line.startswith("SENSES_DEFAULTS")] == ["SENSES_DEFAULTS_VISION=vlm-best"]


async def test_a_bundle_without_senses_says_how_to_install_it(bundle: Path, tools: NpmTools, tmp_path: Path) -> None:
    config = configured(tools, bundle, {"program": str(tmp_path / "missing")})
    parameters = StdioServerParameters(command="python3", args=config["args"], env=config["env"])

    told = pytest.RaisesExc(MCPError, match=r"Senses is not installed: .*/missing\. In Terminal, run `make setup`")
    with pytest.RaisesGroup(told, flatten_subgroups=True):
        async with Client(parameters):
            pass


def test_the_bundle_holds_nothing_but_its_manifest_icon_and_start(bundle: Path) -> None:
    files = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}

    assert files == {"manifest.json", "icon.png", "server/start.py"}
