"""Stored results: images, recordings and transcripts as plain files under unguessable names.

A result is one original (`images/<id>.png`, `audio/<id>.wav`, `transcripts/<id>.txt`) and, if the caller asked for
another format, siblings with the same id. The folder is the only index, so results outlive the process, and deleting
the file deletes the result.
"""

import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, product
from pathlib import Path

from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import OperationFailed
from model_runtime.problems import Problems

logger = logging.getLogger(__name__)

URI_SCHEME = "senses"
PROBLEM = "results"
"""The name of the problem that results cannot be written."""
ARTIFACT_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{16}")
"""Local date, time and 64 random bits: ids sort by age, and one cannot be guessed from another."""


class ArtifactNotSaved(OperationFailed):
    """The model made a result that cannot be written; the message names the folder and the reason."""

    code = "not_saved"


class NothingSaved(ArtifactNotSaved):
    """No folder takes the result, so that only the answer itself can hold it."""

    @property
    def warning(self) -> str:
        """What an answer that holds the result says."""
        return f"{self.message} Only this answer holds the result."


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
    """Stores results in `folder`; calls `on_reserved(kind, id)` before and `on_added(artifact)` after each new one.

    While `folder` cannot be written, a temporary folder takes them, which `close` deletes, and `problems` has the reason.
    """

    def __init__(
        self,
        folder: Path,
        on_added: Callable[[StoredArtifact], None] = lambda artifact: None,
        *,
        problems: Problems | None = None,
    ) -> None:
        self.folder = folder
        self.on_added = on_added
        self.on_reserved: Callable[[ArtifactKind, str], None] = lambda kind, artifact_id: None
        self._problems = problems or Problems()
        self._temporary: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that hold results."""
        return (self.folder,) if self._temporary is None else (self.folder, self._temporary)

    def close(self) -> None:
        """Delete the results that are not kept. Blocks on the disk."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def add(self, kind: ArtifactKind, data: bytes) -> StoredArtifact:
        """Write an original atomically under a new id.

        Raises:
            NothingSaved: the file cannot be written anywhere.
        """
        artifact_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        self.on_reserved(kind, artifact_id)
        path = self._write(Path(kind, artifact_id + ORIGINAL_SUFFIXES[kind]), data)
        artifact = _artifact_from_stat(kind, path, path.lstat())
        self.on_added(artifact)
        return artifact

    def add_sibling(self, artifact: StoredArtifact, suffix: str, data: bytes) -> Path:
        """Write a result in another format next to its original.

        Raises:
            NothingSaved: the file cannot be written anywhere.
        """
        return self._write(Path(artifact.kind, artifact.id + suffix), data)

    def warnings_about(self, *paths: Path) -> list[str]:
        """Return what users should know of these files: that they are not kept."""
        temporary = self._temporary
        if temporary is None or not any(path.is_relative_to(temporary) for path in paths):
            return []
        return [f"The result is not kept: {self.folder} cannot be written. It is in {temporary} until Senses stops."]

    def find(self, kind: ArtifactKind, artifact_id: str) -> StoredArtifact | None:
        """Return the result with this id, or None."""
        if not ARTIFACT_ID.fullmatch(artifact_id):  # an id comes from outside and must not lead out of the folder
            return None
        name = Path(kind, artifact_id + ORIGINAL_SUFFIXES[kind])
        loaded = (_load_artifact(kind, folder / name) for folder in self.folders)
        return next(filter(None, loaded), None)

    def recent(self, count: int = 20) -> list[StoredArtifact]:
        """Return the `count` newest results of all kinds, newest first. Blocks on the disk."""
        newest_first = sorted(self._originals(), key=lambda original: original[1].stem, reverse=True)
        loaded = (artifact for kind, path in newest_first if (artifact := _load_artifact(kind, path)))
        return list(islice(loaded, count))

    def delete(self, artifact_id: str | None) -> int:
        """Delete one result in all its formats, with None every result, and return how many. Blocks on the disk.

        Raises:
            OSError: a file cannot be deleted.
        """
        paths = [path for path in self._files() if artifact_id in (None, path.stem)]
        for path in paths:
            path.unlink(missing_ok=True)
        return len({path.stem for path in paths})

    def _files(self) -> Iterator[Path]:
        for folder, kind in product(self.folders, ArtifactKind):
            for path in (folder / kind).glob("*"):
                if ARTIFACT_ID.fullmatch(path.stem) and path.is_file() and not path.is_symlink():
                    yield path

    def _write(self, name: Path, data: bytes) -> Path:
        """Write a file below `folder`, or while that is impossible below the temporary folder, and return its path.

        Raises:
            NothingSaved: neither can be written.
        """
        try:
            path = _write_artifact(self.folder / name, data)
        except OSError as error:
            text = not_kept_text(self.folder, error.strerror or str(error))
        else:
            self._problems.clear(PROBLEM)
            return path
        self._problems.report(PROBLEM, text)
        try:
            self._temporary = self._temporary or Path(tempfile.mkdtemp(prefix="senses-results-"))
            return _write_artifact(self._temporary / name, data)
        except OSError as error:
            raise NothingSaved(text) from error

    def _originals(self) -> Iterator[tuple[ArtifactKind, Path]]:
        for folder, (kind, suffix) in product(self.folders, ORIGINAL_SUFFIXES.items()):
            try:
                paths = list((folder / kind).glob(f"*{suffix}"))
            except OSError as error:
                logger.warning("The results in %s cannot be listed: %s", folder / kind, error.strerror)
                continue
            yield from ((kind, path) for path in paths if ARTIFACT_ID.fullmatch(path.stem))


def not_kept_text(folder: Path, reason: str) -> str:
    """Return the problem of results that cannot be written."""
    return f"Results are not kept: {folder} cannot be written ({reason}). Make room, or make the folder writable."


def _write_artifact(path: Path, data: bytes) -> Path:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, data, mode=PRIVATE)
    return path


def _load_artifact(kind: ArtifactKind, path: Path) -> StoredArtifact | None:
    """Return a result, or None if its file does not exist or is not a regular file."""
    try:
        file_stat = path.lstat()
    except OSError:
        return None
    return _artifact_from_stat(kind, path, file_stat) if stat.S_ISREG(file_stat.st_mode) else None


def _artifact_from_stat(kind: ArtifactKind, path: Path, file_stat: os.stat_result) -> StoredArtifact:
    return StoredArtifact(kind, path.stem, path, file_stat.st_size, file_stat.st_mtime)
