"""What an Apple GPU changes in the daemon and the command line."""

from pathlib import Path

import pytest

from mcp_server.cli.models import models_text
from mcp_server.cli.serve import startup_text
from mcp_server.client_setup.clients import CLIENT_CONFIGS
from mcp_server.daemon.lock import DaemonInfo
from mcp_server.launcher.paths import VERSION
from model_runtime.settings import Settings
from model_runtime.supervisor import gpu_probe
from model_runtime.supervisor.scheduler_factory import lanes_for

pytestmark = pytest.mark.usefixtures("mac")


def test_two_models_share_the_gpu_one_heavy_and_one_light(settings: Settings) -> None:
    assert lanes_for(settings) == "two"


async def test_the_gpu_is_asked_how_much_memory_it_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer() -> int:
        return 12_000_000_000

    monkeypatch.setattr(gpu_probe, "query_gpu_working_set", answer)

    assert await gpu_probe.working_set_bytes() == 12_000_000_000


def test_the_list_of_models_does_not_say_that_a_gpu_is_missing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    assert "no Apple GPU" not in models_text(settings)


@pytest.mark.parametrize(
    ("client", "file"),
    [("claude-desktop", "Claude/claude_desktop_config.json"), ("vscode", "Code/User/mcp.json")],
)
def test_an_apps_settings_are_in_application_support(client: str, file: str) -> None:
    home = Path("/Users/ada")

    assert CLIENT_CONFIGS[client].config_path(home) == home / "Library" / "Application Support" / file


def test_the_banner_does_not_say_that_a_gpu_is_missing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    info = DaemonInfo(pid=1, version=VERSION, url="http://127.0.0.1:7367", auto=False, started=0.0)

    assert "no Apple GPU" not in startup_text(info, settings)
