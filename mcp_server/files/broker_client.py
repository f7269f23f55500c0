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

from mcp_server.launcher.broker_server import READ_FLAGS
from model_runtime.atomic_file import partial_path, write_atomically

REPLY_TIMEOUT_SECONDS = 10.0
"""macOS may ask its user at the first file of a folder, and a disk may have to spin up; then the call fails."""
MAX_REPLY_BYTES = 4096


class FileAccess(Protocol):
    """Who opens and writes files for a caller; blocking. Failures are `OSError`s."""

    def open(self, path: Path) -> int:
        """Open a file for reading, without following a link, and return the descriptor."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all; a link at `path` is replaced, not followed."""
        ...


class LocalFileAccess:
    """The daemon itself."""

    def open(self, path: Path) -> int:
        """O_NONBLOCK: a fifo without a writer must not hold the call."""
        return os.open(path, READ_FLAGS)

    def write(self, path: Path, data: bytes) -> None:
        """See `write_atomically`."""
        write_atomically(path, data)

    def close(self) -> None:
        """There is nothing to let go of."""


class FileBrokerClient:
    """A shim at the other end of `link`, one errand at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(REPLY_TIMEOUT_SECONDS)
        self._lock = threading.Lock()
        self._is_broken = False

    def open(self, path: Path) -> int:
        """See `Opener.open`."""
        return self._request_descriptor({"do": "open", "path": str(path)})

    def write(self, path: Path, data: bytes) -> None:
        """See `Opener.write`."""
        temporary = partial_path(path)
        descriptor = self._request_descriptor({"do": "create", "path": str(temporary)})
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            self._request({"do": "rename", "path": str(temporary), "to": str(path)})
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is told
                self._request({"do": "unlink", "path": str(temporary)})
            raise

    def close(self) -> None:
        """Let the shim go."""
        self._connection.close()

    def _request_descriptor(self, request: dict[str, str]) -> int:
        descriptor = self._request(request)
        if descriptor is None:
            raise OSError(errno.EPROTO, "the client sent no file")
        return descriptor

    def _request(self, request: dict[str, str]) -> int | None:
        """Send an errand and return the descriptor that comes with its answer, if any.

        An answer that did not come in time could be taken for that of the next errand, so there is none after that.
        """
        with self._lock:
            if self._is_broken:
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
                reply, descriptors, _, _ = socket.recv_fds(self._connection, MAX_REPLY_BYTES, 1)
            except OSError:
                self._is_broken = True
                raise
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        error_number = _errno_of(reply)
        if error_number:
            raise OSError(error_number, os.strerror(error_number))
        return descriptors[0] if descriptors else None


def _errno_of(reply: bytes) -> int:
    try:
        error_number = int(json.loads(reply)["errno"])
    except (ValueError, KeyError, TypeError):
        return errno.EPROTO
    return error_number if error_number >= 0 else errno.EPROTO


def path_of_descriptor(descriptor: int) -> Path:
    """Return where an open file really is, whatever links led there; raises `OSError`."""
    if sys.platform == "darwin":
        raw_path = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))
        return Path(os.fsdecode(raw_path.rstrip(b"\0")))
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
