"""A daemon in the test's own process, which the commands of the test find by its socket."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_server.daemon.lock import lock_if_possible
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import InstanceFolders, Settings
from tests.mcp_server.daemons import running_daemon
from tests.mcp_server.fake_daemon import ClosableFakeService


@dataclass(frozen=True, slots=True)
class Instance:
    """The folder in which the commands work, and the fake runtime behind their daemon."""

    folder: Path
    service: ClosableFakeService


@pytest.fixture
async def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Instance]:
    """Run a daemon, and let the commands find it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("SENSES_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    settings = Settings(InstanceFolders.from_home(home), port=0, keep_spare_worker=False)
    service, paths = ClosableFakeService(), InstancePaths({"SENSES_HOME": str(home)})
    lock = lock_if_possible(paths, is_required=True)
    assert lock is not None
    async with running_daemon(settings, paths, service, auto=False):
        yield Instance(tmp_path, service)
    os.close(lock)
