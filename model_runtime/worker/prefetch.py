"""Read weights into the system's page cache while libraries are imported, because both take seconds."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_runtime.catalog.foreign_files import list_files
from model_runtime.catalog.weight_file import WEIGHT_SUFFIXES

CHUNK_BYTES = 4 << 20
"""Size of one read."""


def prefetch(folders: Iterable[str], stopped: threading.Event) -> int:
    """Read the weight files of these folders until all are read or `stopped` is set; return the number of bytes.

    The data is discarded; the page cache keeps it for the loader, which reads the files in the same order, by name.
    Files that cannot be read are skipped, because the loader reports them.
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
        yield from list_files(Path(folder), WEIGHT_SUFFIXES)
