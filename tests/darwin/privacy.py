"""A fake of macOS's privacy protection (TCC), for shim and daemon apart.

A protected folder answers EPERM, "Operation not permitted", to a program without the right; a program that was never
asked waits in `open` while a dialog asks a person. What is protected: Apple, "Controlling app access to files in macOS",
https://support.apple.com/guide/security/secddd1d86a6/web
"""

import errno
import fcntl
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from mcp_server.launcher.broker_server import THREAD_NAME

Program = Literal["shim", "daemon"]
GUARDED = ("open", "scandir", "listdir", "stat", "lstat", "replace", "unlink", "mkdir")
"""Functions of `os` whose first argument is a path; a denied program may call none of them in the folder."""
FOLDER_ARGUMENTS = ("dir_fd", "src_dir_fd")
"""An open folder to which the path is relative."""
F_GETPATH = 50
"""sys/fcntl.h of macOS."""


@dataclass(frozen=True)
class Touch:
    """One call on a protected path."""

    program: Program
    function: str
    on_event_loop: bool


@dataclass
class PrivacyLayer:
    """Denies every path in `folder` to the programs in `denied`; an `open` of one in `asked` waits for `answer`."""

    folder: Path
    denied: set[Program] = field(default_factory=set)
    asked: set[Program] = field(default_factory=set)
    answered: threading.Event = field(default_factory=threading.Event)
    asking: threading.Event = field(default_factory=threading.Event)
    """Set once a dialog is open."""
    touches: list[Touch] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between `os` and everything in this process."""
        for name in GUARDED:
            monkeypatch.setattr(os, name, self._guarded(name, getattr(os, name)))

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | bytes | os.PathLike):
                opened = next((options[key] for key in FOLDER_ARGUMENTS if options.get(key) is not None), None)
                folder = "" if opened is None else os.readlink(f"/proc/self/fd/{opened}")  # noqa: PTH115
                whole = os.path.join(folder, os.fsdecode(path))  # noqa: PTH118
                if self._protects(whole):
                    self._check(name, whole)
            return function(path, *arguments, **options)

        return guarded

    def _protects(self, path: str) -> bool:
        return path == str(self.folder) or path.startswith(f"{self.folder}/")

    def _check(self, name: str, path: str) -> None:
        thread = threading.current_thread()
        program: Program = "shim" if thread.name == THREAD_NAME else "daemon"
        self.touches.append(Touch(program, name, thread is threading.main_thread()))
        if name == "open" and program in self.asked:
            self.asking.set()
            self.answered.wait(30)
        if program in self.denied:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def be_darwin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code take its branches for macOS; F_GETPATH answers 1024 bytes, as MAXPATHLEN says."""
    system_fcntl = fcntl.fcntl

    def fake_fcntl(descriptor: Any, command: int, argument: Any = 0) -> Any:
        if command != F_GETPATH:
            return system_fcntl(descriptor, command, argument)
        return os.fsencode(os.readlink(f"/proc/self/fd/{descriptor}")).ljust(1024, b"\0")  # noqa: PTH115

    monkeypatch.setattr(fcntl, "F_GETPATH", F_GETPATH, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", fake_fcntl)
    monkeypatch.setattr(sys, "platform", "darwin")
