"""Read `manifest.toml`: which packages hold which models, by version and sha256."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("manifest.toml")


@dataclass(frozen=True, slots=True)
class Archive:
    """One package. `confirmed` says why its bytes are believed to be the published ones."""

    name: str
    registry: str
    version: str
    file: str
    sha256: str
    bytes: int
    licence: str
    uploader: str
    confirmed: str


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model that a converter makes from archives."""

    name: str
    converter: str
    archives: tuple[Archive, ...]
    description: str

    @property
    def recipe(self) -> str:
        """Hash of the archives and the converters: a model that was made by another recipe is made again."""
        sources = [archive.sha256 for archive in self.archives]
        code = [file.read_text(encoding="utf-8") for file in sorted(MANIFEST.parent.glob("convert_*.py"))]
        return hashlib.sha256("\n".join([*sources, *code]).encode()).hexdigest()


def read_archives() -> dict[str, Archive]:
    """Return all archives by name."""
    return {name: Archive(name, **fields) for name, fields in _tables()["archives"].items()}


def read_models() -> dict[str, PackagedModel]:
    """Return all models by name."""
    archives = read_archives()
    return {
        name: PackagedModel(
            name, table["converter"], tuple(archives[each] for each in table["archives"]), table["description"]
        )
        for name, table in _tables()["models"].items()
    }


def _tables() -> dict[str, Any]:
    return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
