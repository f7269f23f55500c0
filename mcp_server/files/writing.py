"""Write a client's file atomically, with the rights of a shim or of the daemon."""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from mcp_server.files.file_access import FileAccess, path_of_descriptor
from mcp_server.files.file_calls import FileThreads
from model_runtime.atomic_file import partial_path

CLEANUP_SECONDS = 5.0
"""How long a failed write may take to delete its file."""


async def write_file(
    access: FileAccess,
    threads: FileThreads,
    folder: Path,
    path: Path,
    data: bytes,
    check: Callable[[Path], Awaitable[None]],
) -> None:
    """Write a file in the granted `folder`, whole or not at all; a link at `path` is replaced, not followed.

    `check` gets the resolved path of the new file, before it has content, and raises if it must not be written.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = str(partial_path(path))
    created = await access.execute({"do": "create", "path": temporary}, folder)
    owned = [created.descriptor]  # whoever takes it closes it
    try:
        await check(await threads.run(folder, partial(path_of_descriptor, created.descriptor)))
        await threads.run(folder, partial(_write_and_close, owned, data))
        await access.execute({"do": "rename", "path": temporary, "to": str(path)}, folder)
    except BaseException:
        with suppress(IndexError, OSError):
            os.close(owned.pop())
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True), suppress(OSError):  # the first error is reported
            await access.execute({"do": "unlink", "path": temporary}, folder)
        raise


def _write_and_close(owned: list[int], data: bytes) -> None:
    """Take the descriptor, unless its owner has left meanwhile, write and close it."""
    with suppress(IndexError):
        descriptor = owned.pop()
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
