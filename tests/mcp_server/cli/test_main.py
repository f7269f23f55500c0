"""The commands as people type them, over the real runtime with no model loaded."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from mcp import Client, StdioServerParameters

from mcp_server.daemon.lock import read_daemon_info
from mcp_server.launcher.paths import VERSION, InstancePaths
from tests.fake_hub import FakeHub, serve

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@pytest.fixture
def environ(tmp_path: Path) -> Generator[dict[str, str]]:
    """An instance in the test's folder; a daemon of it is ended with the test."""
    made = {
        "SENSES_HOME": str(tmp_path / "home"),
        "SENSES_PORT": "0",
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    yield made
    info = read_daemon_info(InstancePaths(made)) if Path(InstancePaths(made).run_folder).exists() else None
    if info is not None:
        psutil.Process(info.pid).kill()


def senses(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "senses", *arguments], env=environ, check=False, capture_output=True, text=True, timeout=60
    )


def configure(environ: dict[str, str], config: str) -> None:
    """Write the config.toml of an instance."""
    home = Path(environ["SENSES_HOME"])
    home.mkdir()
    (home / "config.toml").write_text(config, encoding="utf-8")


@pytest.mark.promise("serve:foreground")
def test_serve_tells_where_everything_is_and_ends_on_ctrl_c(environ: dict[str, str]) -> None:
    process = subprocess.Popen(
        [BIN / "senses", "serve"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    lines = [next(process.stdout) for _ in range(12)]
    running = senses(environ, "status")
    again = senses(environ, "serve")

    process.send_signal(signal.SIGINT)
    status = process.wait(5)
    process.stdout.close()

    assert lines[0] == f"Senses {VERSION}\n"
    assert any("/v1" in line for line in lines)
    assert "No model is in memory" in running.stdout
    assert str(Path(environ["SENSES_HOME"]) / "config.toml") in running.stdout
    assert "Senses is already running with the settings above" in again.stdout
    assert status == 0
    assert not Path(InstancePaths(environ).socket_path).exists()
    assert "Senses is not running" in senses(environ, "status").stderr


@pytest.mark.promise("config:example")
async def test_the_example_configuration_starts_senses(environ: dict[str, str]) -> None:
    example = json.loads((REPOSITORY / "claude_desktop_config.example.json").read_text())
    (server,) = example["mcpServers"].values()
    command = server["command"].replace("/path/to/senses/.venv/bin", str(BIN))
    parameters = StdioServerParameters(command=command, args=server["args"], env=environ)

    async with Client(parameters) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]

    assert {"describe_image", "generate_image", "transcribe", "speak"} <= set(tools)


def test_stop_ends_a_daemon_that_a_client_started(environ: dict[str, str]) -> None:
    shim = subprocess.Popen(
        [BIN / "senses-mcp"], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert shim.stdin is not None
    assert shim.stdout is not None
    shim.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    shim.stdin.flush()
    shim.stdout.readline()

    stopped = senses(environ, "stop")
    shim.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    shim.communicate(timeout=10)

    assert "has stopped" in stopped.stdout
    assert shim.returncode == 0  # it ends with its client, and starts no daemon for one that asks nothing
    assert senses(environ, "stop").returncode == 1


@pytest.mark.promise("cli:starts")
def test_a_command_starts_the_daemon_that_it_needs(environ: dict[str, str]) -> None:
    before = senses(environ, "ps")
    voices = senses(environ, "voices", "--model", "tts-starter")
    after = senses(environ, "ps")

    assert (before.returncode, after.returncode) == (1, 0)
    assert voices.stdout.split() != []
    assert voices.stderr == ""


def test_models_lists_every_alias_and_where_it_is(environ: dict[str, str]) -> None:
    listed = senses(environ, "models").stdout

    assert "senses pull vlm-best" in listed
    assert "vlm-starter" in listed


def test_install_shows_writes_and_undoes(environ: dict[str, str]) -> None:
    path = Path(environ["HOME"]) / ".cursor" / "mcp.json"

    shown = senses(environ, "install", "--client", "cursor", "--dry-run")
    link = senses(environ, "install", "--client", "cursor", "--link")
    existed = path.exists()
    written = senses(environ, "install", "--client", "cursor")
    entry = json.loads(path.read_text())["mcpServers"]["senses"]
    again = senses(environ, "install", "--client", "cursor")
    skill = path.parent / "skills" / "senses" / "SKILL.md"
    has_skill = skill.exists()
    undone = senses(environ, "install", "--client", "cursor", "--undo")

    assert "senses-mcp" in shown.stdout
    assert link.stdout.startswith("cursor://")
    assert not existed
    assert f"Wrote {path}" in written.stdout
    assert entry["command"] == str(BIN / "senses-mcp")
    assert "already" in again.stdout
    assert has_skill
    assert f"Removed {path}" in undone.stdout
    assert f"Removed the skill in {skill.parent}" in undone.stdout
    assert not path.exists()
    assert not skill.parent.exists()


def test_a_wrong_setting_is_one_sentence(environ: dict[str, str]) -> None:
    failed = senses(environ | {"SENSES_MEMORY_EVICTION": "random"}, "models")

    assert failed.returncode == 1
    assert failed.stderr == "SENSES_MEMORY_EVICTION is 'random'. It must be one of lru, cost.\n"


def test_an_unknown_setting_is_one_sentence(environ: dict[str, str]) -> None:
    configure(environ, "[memory]\nbudget_bg = 8\n")

    failed = senses(environ, "models")

    assert failed.returncode == 1
    assert failed.stderr == "config.toml line 2: memory.budget_bg is unknown. Did you mean memory.budget_gb?\n"


def test_a_local_model_that_is_gone_is_listed_with_its_reason(environ: dict[str, str]) -> None:
    configure(environ, '[models.mine]\npath = "/gone"\n')
    reason = "mine: /gone does not exist. Put the model back there or change models.mine.path in config.toml."

    listed, pulled = senses(environ, "models"), senses(environ, "pull", "mine")

    (line,) = [line for line in listed.stdout.splitlines() if line.lstrip().startswith("mine")]
    assert line.endswith(f"broken                        {reason}")
    assert "vlm-starter" in listed.stdout
    assert (pulled.returncode, pulled.stderr) == (1, f"{reason}\n")


@pytest.mark.promise("cli:pull")
def test_pull_brings_a_repository_and_goes_on_where_it_was(environ: dict[str, str], tmp_path: Path) -> None:
    hub = FakeHub({"lab/words": {"config.json": b"{}", "model.safetensors": b"weights" * 1000}})

    with serve(hub):
        online = environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf")}
        pulled = senses(online, "pull", "lab/words")
        again = senses(online, "pull", "lab/words")
    unknown = senses(environ, "pull", "words")
    built_in = senses(environ, "pull", "tts-starter")

    assert "lab/words is complete" in pulled.stdout
    assert again.returncode == 0
    assert unknown.returncode == 1
    assert "There is no model 'words'" in unknown.stderr
    assert "nothing to download" in built_in.stdout
