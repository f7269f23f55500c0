"""Stored results: images, recordings and transcripts as plain files under unguessable names.

A result is one original (`images/<id>.png`, `audio/<id>.wav`, `transcripts/<id>.txt`) and, if the caller asked for
another format, siblings with the same id. The folder is the only index, so results outlive the process, and deleting
the file deletes the result.
"""

import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import OperationFailed

logger = logging.getLogger(__name__)

URI_SCHEME = "senses"
ARTIFACT_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{16}")
"""Local date, time and 64 random bits: ids sort by age, and one cannot be guessed from another."""


class ArtifactNotSaved(OperationFailed):
    """The model made a result that cannot be written; the message names the folder and the reason."""

    code = "not_saved"


class ArtifactKind(StrEnum):
    """The kind of a result: the name of its folder and the first part of its URI."""

    IMAGES = "images"
    AUDIO = "audio"
    TRANSCRIPTS = "transcripts"


ORIGINAL_SUFFIXES = {ArtifactKind.IMAGES: ".png", ArtifactKind.AUDIO: ".wav", ArtifactKind.TRANSCRIPTS: ".txt"}
MIME_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".txt": "text/plain",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """One stored result; `path` and `size_bytes` are those of the original."""

    kind: ArtifactKind
    id: str
    path: Path
    size_bytes: int
    created: float
    """Seconds since the epoch."""

    @property
    def uri(self) -> str:
        """The URI as an MCP resource."""
        return f"{URI_SCHEME}://{self.kind}/{self.id}"

    @property
    def mime_type(self) -> str:
        """The media type of the original."""
        return MIME_TYPES[self.path.suffix]


class ArtifactStore:
    """Stores results in `folder` and calls `on_added(artifact)` after each new one.

    `warning` says that results are not kept, "" if they are; it comes with every answer that has a result.
    """

    def __init__(
        self, folder: Path, on_added: Callable[[StoredArtifact], None] = lambda artifact: None, *, warning: str = ""
    ) -> None:
        self.folder = folder
        self.on_added = on_added
        self.warnings = [warning] if warning else []

    def add(self, kind: ArtifactKind, data: bytes) -> StoredArtifact:
        """Write an original atomically under a new id.

        Raises:
            ArtifactNotSaved: the file cannot be written.
        """
        artifact_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        path = self.folder / kind / (artifact_id + ORIGINAL_SUFFIXES[kind])
        _write_artifact(path, data)
        artifact = _artifact_from_stat(kind, path, path.lstat())
        self.on_added(artifact)
        return artifact

    def add_sibling(self, artifact: StoredArtifact, suffix: str, data: bytes) -> Path:
        """Write a result in another format next to its original.

        Raises:
            ArtifactNotSaved: the file cannot be written.
        """
        path = artifact.path.with_suffix(suffix)
        _write_artifact(path, data)
        return path

    def find(self, kind: ArtifactKind, artifact_id: str) -> StoredArtifact | None:
        """Return the result with this id, or None."""
        if not ARTIFACT_ID.fullmatch(artifact_id):  # an id comes from outside and must not lead out of the folder
            return None
        return _load_artifact(kind, self.folder / kind / (artifact_id + ORIGINAL_SUFFIXES[kind]))

    def recent(self, count: int = 20) -> list[StoredArtifact]:
        """Return the `count` newest results of all kinds, newest first. Blocks on the disk."""
        newest_first = sorted(self._originals(), key=lambda original: original[1].stem, reverse=True)
        loaded = (artifact for kind, path in newest_first if (artifact := _load_artifact(kind, path)))
        return list(islice(loaded, count))

    def _originals(self) -> Iterator[tuple[ArtifactKind, Path]]:
        for kind, suffix in ORIGINAL_SUFFIXES.items():
            try:
                paths = list((self.folder / kind).glob(f"*{suffix}"))
            except OSError as error:
                logger.warning("The results in %s cannot be listed: %s", self.folder / kind, error.strerror)
                continue
            yield from ((kind, path) for path in paths if ARTIFACT_ID.fullmatch(path.stem))


def _write_artifact(path: Path, data: bytes) -> None:
    try:
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, data, mode=PRIVATE)
    except OSError as error:
        raise ArtifactNotSaved(
            f"The result cannot be saved in {path.parent}: {error.strerror}. Make room, or make the folder writable."
        ) from error


def _load_artifact(kind: ArtifactKind, path: Path) -> StoredArtifact | None:
    """Return a result, or None if its file does not exist or is not a regular file."""
    try:
        file_stat = path.lstat()
    except OSError:
        return None
    return _artifact_from_stat(kind, path, file_stat) if stat.S_ISREG(file_stat.st_mode) else None


def _artifact_from_stat(kind: ArtifactKind, path: Path, file_stat: os.stat_result) -> StoredArtifact:
    return StoredArtifact(kind, path.stem, path, file_stat.st_size, file_stat.st_mtime)
