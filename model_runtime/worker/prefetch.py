"""Bring weights from the disk into the system's cache while libraries are imported: both take seconds, so together."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

WEIGHTS = frozenset({".safetensors", ".npz"})
CHUNK_BYTES = 4 << 20


def prefetch(folders: Iterable[str], stopped: threading.Event) -> int:
    """Read the weight files of these folders, until all are read or `stopped`; return how many bytes that were.

    What is read is thrown away: the system keeps it for the loader, who takes the files in the same order, that of
    their names. One that cannot be read is passed over: the loader will say why.
    """
    buffer, total = bytearray(CHUNK_BYTES), 0
    for path in _weights(folders):
        try:
            with path.open("rb", buffering=0) as file:
                while not stopped.is_set() and (count := file.readinto(buffer)):
                    total += count
        except OSError:
            continue
    return total


def _weights(folders: Iterable[str]) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        yield from sorted(path for path in Path(folder).rglob("*") if path.suffix in WEIGHTS)
