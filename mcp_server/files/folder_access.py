"""Work on the files of one granted folder, with the rights of the client's shim or of the daemon."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mcp_server.files.client import ClientConnection
from mcp_server.files.file_access import FileAccess, FileAnswer, FileRequest, LocalFileAccess, OpenedFile, describe
from mcp_server.files.folders import AllowedPath, GrantedFolder
from mcp_server.files.writing import write_file

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FolderAccess:
    """Executes file requests in `folder`. What macOS denies to the shim, the daemon tries itself.

    Every method raises an `OSError` of the system, or `TimeoutError` after two minutes.
    """

    client: ClientConnection
    folder: GrantedFolder

    async def open(self, path: Path) -> int:
        """Open a file for reading, without following a link, and return the descriptor."""
        return (await self._execute({"do": "open", "path": str(path)})).descriptor

    def describe(self, descriptor: int) -> Awaitable[OpenedFile]:
        """Return what an open file of this folder is."""
        return self.client.threads.run(self.folder.path, partial(describe, descriptor))

    async def mode(self, path: Path) -> int | None:
        """Return st_mode of a path, which is not followed, or None if nothing is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return (await self._execute({"do": "stat", "path": str(path)})).mode
        return None

    async def resolve(self, path: Path) -> Path:
        """Return a path with every link resolved, as far as who serves the folder may look at it."""
        answer = await self._accesses()[0].execute({"do": "resolve", "path": str(path)}, self.folder.path)
        return Path(answer.name)

    async def similar_name(self, path: Path) -> str:
        """Return the name that was perhaps meant; "" if there is none. Only who serves the folder lists it."""
        with suppress(OSError):
            return (await self._accesses()[0].execute({"do": "similar", "path": str(path)}, self.folder.path)).name
        return ""

    async def newest_picture(self, folder: Path) -> str:
        """Return the name of the picture in a folder that was changed last; "" if there is none."""
        with suppress(FileNotFoundError):
            return (await self._execute({"do": "newest", "path": str(folder)})).name
        return ""

    async def write(self, allowed: AllowedPath, data: bytes) -> None:
        """Write a file; see `mcp_server.files.writing.write_file`."""
        await self._attempt(lambda access: write_file(access, self.client.threads, allowed, data))

    def _execute(self, request: FileRequest) -> Awaitable[FileAnswer]:
        return self._attempt(lambda access: access.execute(request, self.folder.path))

    async def _attempt(self, operation: Callable[[FileAccess], Awaitable[T]]) -> T:
        *denied, last = self._accesses()
        for access in denied:
            with suppress(PermissionError):
                return await operation(access)
        return await operation(last)

    def _accesses(self) -> tuple[FileAccess, ...]:
        """Return whose rights are tried, in this order."""
        daemon, shim = LocalFileAccess(self.client.threads), self.client.file_access
        if shim is None or not self.folder.is_clients:
            return (daemon,)
        # only macOS gives rights to programs; elsewhere a shim that may do less than the daemon is meant to
        return (shim, daemon) if sys.platform == "darwin" else (shim,)
