"""Write a file whole or not at all."""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file so that readers see the old content or the whole new one, and a failure leaves the old one.

    The data is written to a new file in the same folder, which then replaces `path`; a link at `path` is replaced, not
    followed. `mode` is the file's permission bits; None leaves them to the umask. Not forced onto the disk: after a
    power cut the file may be cut off.

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
    """Return an unused name in the folder of `path`, for the file that will replace it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
