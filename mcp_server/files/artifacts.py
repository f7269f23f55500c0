"""The results that stay: pictures, recordings and transcripts as plain files under unguessable names.

A result is one original (`images/<id>.png`, `audio/<id>.wav`, `transcripts/<id>.txt`) and, where the caller asked for
another format, siblings with the same id. The folder is the index: nothing is lost with the process, and a file the
user deletes is gone.
"""

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

from model_runtime.atomic_file import atomic_write
from model_runtime.errors import Failed

SCHEME = "senses"
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{16}")


class NotSaved(Failed):
    """A result was made and cannot be written; the message says where and why."""

    code = "not_saved"


class Kind(StrEnum):
    """What a result is; also its folder's name and the first part of its address."""

    IMAGES = "images"
    AUDIO = "audio"
    TRANSCRIPTS = "transcripts"


ORIGINALS = {Kind.IMAGES: ".png", Kind.AUDIO: ".wav", Kind.TRANSCRIPTS: ".txt"}
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
class Artifact:
    """One kept result; `path` is its original."""

    kind: Kind
    id: str
    path: Path
    size_bytes: int
    created: float
    """Seconds since the epoch."""

    @property
    def uri(self) -> str:
        """Its address as an MCP resource."""
        return f"{SCHEME}://{self.kind}/{self.id}"

    @property
    def mime_type(self) -> str:
        """The type of its original."""
        return MIME_TYPES[self.path.suffix]


class ArtifactStore:
    """Keeps results in `folder`; `on_added` hears of each new one."""

    def __init__(self, folder: Path, on_added: Callable[[Artifact], None] = lambda artifact: None) -> None:
        self.folder = folder
        self.on_added = on_added

    def add(self, kind: Kind, data: bytes) -> Artifact:
        """Keep an original and give it an id; the file appears whole or not at all. Raises `NotSaved`."""
        made = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        path = self.folder / kind / (made + ORIGINALS[kind])
        _save(path, data)
        artifact = _artifact(kind, path, path.lstat())
        self.on_added(artifact)
        return artifact

    def add_sibling(self, artifact: Artifact, suffix: str, data: bytes) -> Path:
        """Keep the same result in another format next to its original. Raises `NotSaved`."""
        path = artifact.path.with_suffix(suffix)
        _save(path, data)
        return path

    def find(self, kind: Kind, name: str) -> Artifact | None:
        """Return the result with this id, None where there is none."""
        return _read(kind, self.folder / kind / (name + ORIGINALS[kind])) if ID.fullmatch(name) else None

    def recent(self, count: int = 20) -> list[Artifact]:
        """Return the newest results of all kinds, newest first; blocking."""
        newest = sorted(self._names(), key=lambda found: found[1].stem, reverse=True)
        return list(islice((artifact for found in newest if (artifact := _read(*found))), count))

    def _names(self) -> Iterator[tuple[Kind, Path]]:
        for kind, suffix in ORIGINALS.items():
            for path in (self.folder / kind).glob(f"*{suffix}"):
                if ID.fullmatch(path.stem):
                    yield kind, path


def _save(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(path, data)
    except OSError as error:
        raise NotSaved(
            f"The result cannot be saved in {path.parent}: {error.strerror}. Make room, or make it writable."
        ) from error


def _read(kind: Kind, path: Path) -> Artifact | None:
    """Describe a result; None where it has gone or is no file of its own."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return _artifact(kind, path, facts) if stat.S_ISREG(facts.st_mode) else None


def _artifact(kind: Kind, path: Path, facts: os.stat_result) -> Artifact:
    return Artifact(kind, path.stem, path, facts.st_size, facts.st_mtime)
