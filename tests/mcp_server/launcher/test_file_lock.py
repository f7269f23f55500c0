"""Locks on a home that has none, as network disks: `flock` says so with the numbers of this system or of macOS."""

import errno
import os
from pathlib import Path

import pytest

from mcp_server.daemon.lock import InstanceUnusable, lock_if_possible
from mcp_server.launcher import connect, file_lock
from mcp_server.launcher.paths import InstancePaths

TEXT = "is on a disk without file locks, such as a network home: set SENSES_HOME to a folder on a disk of this machine."


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    """An instance of its own."""
    return InstancePaths({"SENSES_HOME": str(tmp_path / "home")})


@pytest.fixture(params=["ENOTSUP", "EOPNOTSUPP", "ENOLCK"])
def unlockable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose files cannot be locked."""
    number = getattr(errno, request.param)

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_lock, "flock", refuse)


@pytest.mark.promise("shim:explains")
def test_a_shim_says_that_the_home_has_no_locks(unlockable: None, paths: InstancePaths) -> None:
    with pytest.raises(OSError, match=TEXT) as raised:
        connect.connect_or_start(paths, b"{}\n", timeout_seconds=0.2)

    assert str(raised.value).startswith(paths.start_lock)


def test_a_daemon_says_that_the_home_has_no_locks(unlockable: None, paths: InstancePaths) -> None:
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208

    with pytest.raises(InstanceUnusable) as raised:
        lock_if_possible(paths, is_required=True)

    assert raised.value.message == f"{paths.instance_lock} {TEXT}"
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_another_failure_of_a_lock_is_not_explained_away(paths: InstancePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(file_lock, "flock", fail)

    with pytest.raises(InstanceUnusable, match="Input/output error"):
        lock_if_possible(paths, is_required=True)
