"""Fingerprint of a model's files, to notice changes without reading them."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.foreign_files import list_files, signature

Fingerprint = frozenset[tuple[str, int, int]]
"""Path, size in bytes and modification time in nanoseconds of every file."""


def fingerprint(folders: Mapping[str, Path]) -> Fingerprint:
    """Return the fingerprint of all files below a model's folders. Links, as in the hub's cache, are followed."""
    entries = set()
    for folder in folders.values():
        for path in list_files(folder):
            inode, size_bytes, modified_ns = signature(path)
            if inode:  # else the file is being replaced
                entries.add((str(path), size_bytes, modified_ns))
    return frozenset(entries)
