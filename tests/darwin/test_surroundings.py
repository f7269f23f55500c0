"""What an app of macOS starts a server with: hardly any environment, 256 descriptors, odd folders."""

import os
import socket
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

from mcp_server.daemon.lock import read_daemon_info
from tests.mcp_server.launcher.test_shim import REPOSITORY, Instance
from tests.mcp_server.tools.test_tools import data_of

pytestmark = pytest.mark.process
APP_DESCRIPTORS = 256
"""launchd's soft limit for apps (`launchctl limit maxfiles`)."""
SHIM = ["-c", f'ulimit -Sn {APP_DESCRIPTORS}; exec "$0" -m tests.mcp_server.fake_shim "$@"', sys.executable]


@pytest.fixture
def instance(tmp_path: Path) -> Generator[Instance]:
    """An instance whose home has blanks, and whose temporary folder is long and behind a link."""
    home = tmp_path / "Ada Lovelace"
    temporary = tmp_path / "private" / "folders" / ("x" * 60) / "T"
    temporary.mkdir(parents=True)
    (tmp_path / "var").symlink_to(tmp_path / "private")
    made = Instance(home / "Library" / "Application Support" / "Senses")
    made.environ = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(tmp_path / "var" / "folders" / ("x" * 60) / "T"),
        **{name: made.environ[name] for name in ("SENSES_HOME", "SENSES_PORT", "PYTHONPATH")},
    }
    yield made
    made.end()


@pytest.mark.promise("macos:surroundings")
async def test_what_an_app_gives_is_enough_and_hundreds_may_connect(instance: Instance, tmp_path: Path) -> None:
    pictures = tmp_path / "Ada Lovelace" / "그림 모음"
    pictures.mkdir()
    Image.new("RGB", (64, 48), "red").save(pictures / "빨강 1.png")
    parameters = StdioServerParameters(
        command="/bin/sh", args=[*SHIM, str(pictures)], env=instance.environ, cwd=REPOSITORY
    )

    async with Client(parameters) as client:
        described = await client.call_tool("describe_image", {"image": str(pictures / "빨강 1.png")})
        info = read_daemon_info(instance.paths)
        assert info is not None
        with ExitStack() as connections:
            for _ in range(APP_DESCRIPTORS + 50):
                address = ("127.0.0.1", int(info.url.rpartition(":")[2]))
                connections.enter_context(socket.create_connection(address))
            health = httpx2.get(f"{info.url}/health", timeout=20, trust_env=False).json()

    assert data_of(described)["text"]
    assert health["status"] == "ok"
    assert not any(name.startswith(("LANG", "LC_")) for name in instance.environ)
    assert len(os.fsencode(instance.environ["TMPDIR"])) > 100
