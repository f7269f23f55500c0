"""The daemon's end of a shim's errands: files opened and written with the rights of the client; see `errands`."""

import errno
import fcntl
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mcp_server.launcher.broker_server import READ
from model_runtime.atomic_file import atomic_write, partial_path

ANSWER_SECONDS = 10.0
"""macOS may ask its user at the first file of a folder, and a disk may have to spin up; then the call fails."""
ANSWER_BYTES = 4096


class Opener(Protocol):
    """Who opens and writes files for a caller; blocking. Failures are `OSError`s."""

    def open(self, path: Path) -> int:
        """Open a file for reading, without following a link, and return the descriptor."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all; a link at `path` is replaced, not followed."""
        ...


class OwnHands:
    """The daemon itself."""

    def open(self, path: Path) -> int:
        """O_NONBLOCK: a fifo without a writer must not hold the call."""
        return os.open(path, READ)

    def write(self, path: Path, data: bytes) -> None:
        """See `atomic_write`."""
        atomic_write(path, data)

    def close(self) -> None:
        """There is nothing to let go of."""


class Courier:
    """A shim at the other end of `link`, one errand at a time."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link.settimeout(ANSWER_SECONDS)
        self._turn = threading.Lock()
        self._lost = False

    def open(self, path: Path) -> int:
        """See `Opener.open`."""
        return self._fetch({"do": "open", "path": str(path)})

    def write(self, path: Path, data: bytes) -> None:
        """See `Opener.write`. As `atomic_write`, but every step is done by the shim, with the client's rights."""
        part = partial_path(path)
        descriptor = self._fetch({"do": "create", "path": str(part)})
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            self._ask({"do": "rename", "path": str(part), "to": str(path)})
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is told
                self._ask({"do": "unlink", "path": str(part)})
            raise

    def close(self) -> None:
        """Let the shim go."""
        self._link.close()

    def _fetch(self, errand: dict[str, str]) -> int:
        descriptor = self._ask(errand)
        if descriptor is None:
            raise OSError(errno.EPROTO, "the client sent no file")
        return descriptor

    def _ask(self, errand: dict[str, str]) -> int | None:
        """Send an errand and return the descriptor that comes with its answer, if any.

        An answer that did not come in time could be taken for that of the next errand, so there is none after that.
        """
        with self._turn:
            if self._lost:
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            try:
                self._link.sendall(json.dumps(errand).encode() + b"\n")
                answer, descriptors, _, _ = socket.recv_fds(self._link, ANSWER_BYTES, 1)
            except OSError:
                self._lost = True
                raise
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        number = _status(answer)
        if number:
            raise OSError(number, os.strerror(number))
        return descriptors[0] if descriptors else None


def _status(answer: bytes) -> int:
    try:
        number = int(json.loads(answer)["errno"])
    except (ValueError, KeyError, TypeError):
        return errno.EPROTO
    return number if number >= 0 else errno.EPROTO


def true_path(descriptor: int) -> Path:
    """Return where an open file really is, whatever links led there; raises `OSError`."""
    if sys.platform == "darwin":
        found = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))
        return Path(os.fsdecode(found.rstrip(b"\0")))
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
