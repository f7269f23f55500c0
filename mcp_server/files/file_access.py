"""Access to files with the rights of one process: the daemon's own, or those of a shim (`broker_client`)."""

import errno
import fcntl
import os
import stat
import sys
import threading
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcp_server.files.file_calls import FileThreads
from mcp_server.launcher.file_requests import execute

FileRequest = dict[str, str]
"""See `mcp_server.launcher.file_requests`."""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """The answer to a file request; what the request does not ask for is empty."""

    descriptor: int = -1
    """An open file, which its receiver closes; -1: none."""
    mode: int = 0
    """st_mode of stat(2)."""
    name: str = ""
    folder: int = -1
    """The number of a folder that is open for whoever executed the request; -1: none."""

    def close(self) -> None:
        """Close the descriptor, if there is one."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


class FileAccess(Protocol):
    """Executes file requests with the rights of one process."""

    def execute(self, request: FileRequest, folder: Path) -> Awaitable[FileAnswer]:
        """Execute a request on a file in `folder`, one of those that are granted.

        Raises:
            TimeoutError: there is no answer within two minutes.
            OSError: the system refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalFileAccess:
    """Executes file requests with the daemon's own rights, in `threads`."""

    threads: FileThreads

    def execute(self, request: FileRequest, folder: Path) -> Awaitable[FileAnswer]:
        """See `FileAccess.execute`."""

        def undo_in_thread(answer: FileAnswer) -> None:
            threading.Thread(target=_undo, args=(request, answer), daemon=True).start()

        return self.threads.run(folder, lambda: answer_of(execute(request)), undo_in_thread)


def _undo(request: FileRequest, answer: FileAnswer) -> None:
    answer.close()
    if undoing := undo_request(request, answer):
        with suppress(OSError):
            execute(undoing)


def undo_request(request: FileRequest, answer: FileAnswer) -> FileRequest | None:
    """Return the request that deletes a file which was made for a caller who has left; None: none was made."""
    if request["do"] != "create":
        return None
    return {"do": "discard", "folder": str(answer.folder), "path": Path(request["path"]).name}


def answer_of(fields: dict[str, int | str]) -> FileAnswer:
    """Return the answer with these fields of `mcp_server.launcher.file_requests.execute`.

    Raises:
        OSError: a field has another type.
    """
    match fields.get("fd", -1), fields.get("mode", 0), fields.get("name", ""), fields.get("folder", -1):
        case (int(descriptor), int(mode), str(name), int(folder)):
            return FileAnswer(descriptor, mode, name, folder)
        case _:
            raise OSError(errno.EPROTO, "the answer to a file request makes no sense")


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """What an open file is, whatever its name led to."""

    path: Path
    """With every link resolved."""
    is_regular: bool
    size_bytes: int


def describe(descriptor: int) -> OpenedFile:
    """Return what an open file is.

    Raises:
        OSError: the system cannot name the file.
    """
    file_stat = os.fstat(descriptor)
    return OpenedFile(path_of_descriptor(descriptor), stat.S_ISREG(file_stat.st_mode), file_stat.st_size)


def path_of_descriptor(descriptor: int) -> Path:
    """Return the path of an open file, with every link resolved.

    Raises:
        OSError: the system cannot name the file.
    """
    if sys.platform == "darwin":
        raw_path = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))  # fcntl(2): a buffer of MAXPATHLEN bytes
        return Path(os.fsdecode(raw_path.rstrip(b"\0")))
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
