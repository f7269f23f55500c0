"""Write a client's file atomically, with the rights of a shim or of the daemon."""

import os
from contextlib import suppress
from functools import partial

import anyio

from mcp_server.files.file_access import FileAccess, FileRequest
from mcp_server.files.file_calls import FileThreads
from mcp_server.files.folders import AllowedPath
from model_runtime.atomic_file import partial_path

CLEANUP_SECONDS = 5.0
"""How long a failed write may take to delete its file."""


async def write_file(access: FileAccess, threads: FileThreads, allowed: AllowedPath, data: bytes) -> None:
    """Write a file, whole or not at all; a link at its path is replaced, not followed.

    Its folder is opened once, without following a link, and made if it is missing in the granted folder. Everything
    else happens in the opened folder, wherever its name leads meanwhile.

    Raises:
        OSError: the file cannot be written.
    """
    folder, temporary = allowed.folder.path, partial_path(allowed.path)
    created = await access.execute({"do": "create", "path": str(temporary), "root": str(allowed.root)}, folder)
    owned = [created.descriptor]  # whoever takes it closes it
    in_folder: FileRequest = {"folder": str(created.folder), "path": temporary.name}
    try:
        await threads.run(folder, partial(_write_and_close, owned, data))
    except BaseException:
        with suppress(IndexError, OSError):
            os.close(owned.pop())
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True), suppress(OSError):  # the first error is reported
            await access.execute({"do": "discard", **in_folder}, folder)
        raise
    with anyio.CancelScope(shield=True):  # once it is sent, the file and its folder are no longer ours
        await access.execute({"do": "commit", "to": allowed.path.name, **in_folder}, folder)


def _write_and_close(owned: list[int], data: bytes) -> None:
    """Take the descriptor, unless its owner has left meanwhile, write and close it."""
    with suppress(IndexError):
        descriptor = owned.pop()
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
