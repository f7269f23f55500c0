"""Write a file atomically; open one, or append lines to one, that only this user can read."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import IO

PRIVATE = 0o600
"""Permission bits of what only this user may read."""
MAX_NAME_CHARS = 60
"""240 bytes of UTF-8; the name of a file has at most 255."""
PARTIAL_PATTERN = ".*.part"
"""What the names of `partial_path` match. A process that is killed while it writes leaves such a file behind."""


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


def append_lines(path: Path, lines: Iterable[str]) -> int:
    """Append lines to a file that only this user can read, create its folder, and return the file's size in bytes.

    A last line that a power cut left without its newline gets one first. The data is not synced.

    Raises:
        OSError: the disk refuses.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_private(path, "a+b") as file:
        text = "".join(f"{line}\n" for line in lines)
        file.write((("\n" if _is_cut_off(file) else "") + text).encode("utf-8", "replace"))
        return file.tell()


def _is_cut_off(file: IO[bytes]) -> bool:
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


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
