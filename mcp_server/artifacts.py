"""The results that stay: pictures, recordings and transcripts as plain files under unguessable names.

A result is one original (`images/<id>.png`, `audio/<id>.wav`, `transcripts/<id>.txt`) and, where the caller asked for
another format, siblings with the same id. The folder is the index: nothing is lost with the process, and a file the
user deletes is gone.
"""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SCHEME = "senses"
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{16}")


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
        """Keep an original and give it an id; the file appears whole or not at all."""
        made = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        path = self._folder(kind) / (made + ORIGINALS[kind])
        write_whole(path, data)
        artifact = _artifact(kind, path)
        self.on_added(artifact)
        return artifact

    def add_sibling(self, artifact: Artifact, suffix: str, data: bytes) -> Path:
        """Keep the same result in another format next to its original."""
        path = artifact.path.with_suffix(suffix)
        write_whole(path, data)
        return path

    def find(self, kind: Kind, name: str) -> Artifact | None:
        """Return the result with this id, None where there is none."""
        path = self.folder / kind / (name + ORIGINALS[kind])
        if not ID.fullmatch(name) or path.is_symlink() or not path.is_file():
            return None
        return _artifact(kind, path)

    def recent(self, count: int = 20) -> list[Artifact]:
        """Return the newest results of all kinds, newest first."""
        return sorted(self._all(), key=lambda artifact: artifact.id, reverse=True)[:count]

    def _all(self) -> Iterator[Artifact]:
        for kind, suffix in ORIGINALS.items():
            for path in (self.folder / kind).glob(f"*{suffix}"):
                if ID.fullmatch(path.stem) and not path.is_symlink():
                    yield _artifact(kind, path)

    def _folder(self, kind: Kind) -> Path:
        folder = self.folder / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def write_whole(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file so that readers see the old one or the whole new one; a link at `path` is replaced, not followed.

    `mode` is who may read and write it; None leaves that to the process.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _artifact(kind: Kind, path: Path) -> Artifact:
    facts = path.stat()
    return Artifact(kind, path.stem, path, facts.st_size, facts.st_mtime)
