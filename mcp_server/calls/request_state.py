"""The key that seals what a client sends back with a person's answer (`requestState`, MCP from 2026-07-28 on).

It is a file, so that a person may answer after the daemon that asked has ended.
"""

import os
from contextlib import suppress
from pathlib import Path

from model_runtime.atomic_file import PRIVATE, write_atomically

KEY_BYTES = 32


def request_state_key(path: Path) -> bytes:
    """Return the key in the file at `path`, which is made if it has none; while the disk is full one of this process.

    Blocks on the disk.
    """
    with suppress(OSError):
        kept = path.read_bytes()
        if len(kept) == KEY_BYTES:
            return kept
    key = os.urandom(KEY_BYTES)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, key, mode=PRIVATE)
    return key
