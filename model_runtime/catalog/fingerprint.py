"""Fingerprint of a model's files, to notice changes without reading them."""

from collections.abc import Mapping
from pathlib import Path

Fingerprint = frozenset[tuple[str, int, int]]
"""Path, size in bytes and modification time in nanoseconds of every file."""


def fingerprint(folders: Mapping[str, Path]) -> Fingerprint:
    """Return the fingerprint of all files below a model's folders. Links, as in the hub's cache, are followed."""
    entries = set()
    for folder in folders.values():
        for path in folder.rglob("*"):
            try:
                stat = path.stat()
            except OSError:
                continue  # the file is being replaced
            entries.add((str(path), stat.st_size, stat.st_mtime_ns))
    return frozenset(entries)
