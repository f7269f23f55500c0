"""A Mac with Apple silicon, as far as Python code can ask."""

import ctypes
import fcntl
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.darwin.libsystem import FakeLibSystem

F_GETPATH = 50
"""xnu `bsd/sys/fcntl.h`."""
MAXPATHLEN = 1024
"""xnu `bsd/sys/param.h`: the buffer that F_GETPATH fills."""


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own names for the system and the processor."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")


@pytest.fixture
def libsystem(mac: None, monkeypatch: pytest.MonkeyPatch) -> FakeLibSystem:
    """The system's library."""
    library = FakeLibSystem()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    return library


@pytest.fixture
def getpath(mac: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """fcntl with F_GETPATH: the path of an open file with every link resolved, ended by NUL, in a buffer of 1024."""
    system_fcntl = fcntl.fcntl

    def mac_fcntl(descriptor: int, command: int, argument: Any = 0) -> Any:
        if command != F_GETPATH:
            return system_fcntl(descriptor, command, argument)
        assert len(argument) == MAXPATHLEN
        return bytes(Path(f"/proc/self/fd/{descriptor}").readlink()).ljust(MAXPATHLEN, b"\0")

    if not hasattr(fcntl, "F_GETPATH"):
        monkeypatch.setattr(fcntl, "F_GETPATH", F_GETPATH, raising=False)
        monkeypatch.setattr(fcntl, "fcntl", mac_fcntl)
