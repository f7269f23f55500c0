"""The daemon's side of the file broker: the shim opens and writes files with the client's rights.

`launcher.broker_server` is the other side.
"""

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
"""Long enough for a disk to spin up. macOS may also ask the user for consent; the call then fails after this time."""
MAX_REPLY_BYTES = 4096


class FileAccess(Protocol):
    """Opens and writes files for a client. Both methods block."""

    def open(self, path: Path) -> int:
        """Open a file for reading, without following a link, and return the descriptor.

        Raises:
            OSError: the file cannot be opened.
        """
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file atomically; a link at `path` is replaced, not followed.

        Raises:
            OSError: the file cannot be written.
        """
        ...


class LocalFileAccess:
    """Opens and writes files with the daemon's own rights."""

    def open(self, path: Path) -> int:
        """See `FileAccess.open`."""
        return os.open(path, READ_FLAGS)

    def write(self, path: Path, data: bytes) -> None:
        """See `FileAccess.write`."""
        write_atomically(path, data)

    def close(self) -> None:
        """Do nothing: no connection is open."""


class FileBrokerClient:
    """Sends file requests to the shim over `connection`, one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(REPLY_TIMEOUT_SECONDS)
        self._lock = threading.Lock()
        self._is_broken = False

    def open(self, path: Path) -> int:
        """See `FileAccess.open`."""
        return self._request_descriptor({"do": "open", "path": str(path)})

    def write(self, path: Path, data: bytes) -> None:
        """See `FileAccess.write`."""
        temporary = partial_path(path)
        descriptor = self._request_descriptor({"do": "create", "path": str(temporary)})
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            self._request({"do": "rename", "path": str(temporary), "to": str(path)})
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                self._request({"do": "unlink", "path": str(temporary)})
            raise

    def close(self) -> None:
        """Close the connection, which ends the shim's thread."""
        self._connection.close()

    def _request_descriptor(self, request: dict[str, str]) -> int:
        descriptor = self._request(request)
        if descriptor is None:
            raise OSError(errno.EPROTO, "the client sent no file")
        return descriptor

    def _request(self, request: dict[str, str]) -> int | None:
        """Send a request and return the descriptor that comes with its reply, if any.

        After a timeout the connection is unusable: a late reply would be read as the next one's.
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
    """Return the path of an open file, with every link resolved.

    Raises:
        OSError: the system cannot name the file.
    """
    if sys.platform == "darwin":
        raw_path = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))  # fcntl(2): a buffer of MAXPATHLEN bytes
        return Path(os.fsdecode(raw_path.rstrip(b"\0")))
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
