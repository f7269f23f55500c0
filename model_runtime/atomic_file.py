"""Write a file atomically; open one that only this user can read."""

import os
import secrets
from pathlib import Path
from typing import IO

PRIVATE = 0o600
"""Permission bits of what only this user may read."""
MAX_NAME_CHARS = 60
"""240 bytes of UTF-8; the name of a file has at most 255."""


def open_private(path: Path, mode: str) -> IO[bytes]:
    """Open a binary file that only this user can read, whatever the umask, also if it exists with other permissions.

    Raises:
        OSError: the file cannot be opened, or belongs to another user.
    """
    file: IO[bytes] = open(path, mode, opener=lambda name, flags: os.open(name, flags, PRIVATE))  # noqa: SIM115
    try:
        os.fchmod(file.fileno(), PRIVATE)
    except OSError:
        file.close()
        raise
    return file


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace a file, so that readers see all of the old or all of the new content. A failure keeps the old file.

    A new file in the same folder replaces `path`; a link at `path` is replaced, not followed. `mode` is the file's
    permission bits; None leaves them to the umask. The data is not synced: a power cut may truncate the file.

    Raises:
        OSError: the file cannot be written or replaced.
    """
    part = partial_path(path)
    try:
        with part.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Return an unused name in the folder of `path` for the file that will replace it; every disk takes its length."""
    return path.with_name(f".{path.name[:MAX_NAME_CHARS]}.{secrets.token_hex(4)}.part")
