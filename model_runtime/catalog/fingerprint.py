"""Whether a model's files are still the same, without reading them."""

from collections.abc import Mapping
from pathlib import Path

Fingerprint = frozenset[tuple[str, int, int]]
"""Path, bytes and time of change of every file."""


def fingerprint(folders: Mapping[str, Path]) -> Fingerprint:
    """Look at every file below a model's folders, through the links of the hub's cache."""
    entries = set()
    for folder in folders.values():
        for path in folder.rglob("*"):
            try:
                stat = path.stat()
            except OSError:
                continue  # it is being replaced
            entries.add((str(path), stat.st_size, stat.st_mtime_ns))
    return frozenset(entries)
