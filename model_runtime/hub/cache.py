"""Which models are in the Hugging Face cache, told from its files alone.

The daemon asks this several times a second and must not carry the library for it, which takes 30 MB. The layout is
documented (https://huggingface.co/docs/huggingface_hub/guides/manage-cache): `models--OWNER--NAME` has `refs/REVISION`
with a commit, `snapshots/COMMIT` with the files, and `trees/COMMIT.json` with all files that the repository has.
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from model_runtime.catalog.model import Artifact, Model

WEIGHTS = (".safetensors", ".npz")
LISTING_FORMAT = 1


def hub_folder(environ: Mapping[str, str]) -> Path:
    """Return the cache that the library uses in this environment."""
    caches = Path(environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(environ.get("HF_HOME") or caches / "huggingface")
    folder = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub"
    return Path(folder).expanduser()


class HubCache:
    """The downloaded repositories of one cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, artifact: Artifact) -> Path | None:
        """Return the folder that holds all files of the artifact, or None where any is missing."""
        repository = self.folder / f"models--{artifact.repo.replace('/', '--')}"
        commit = _commit(repository, artifact.revision)
        snapshot = repository / "snapshots" / commit
        if not commit or not snapshot.is_dir():
            return None
        wanted = _wanted(repository / "trees" / f"{commit}.json", artifact.patterns)
        complete = _looks_complete(snapshot) if wanted is None else _has_all(snapshot, wanted)
        return snapshot if complete else None

    def missing(self, model: Model) -> tuple[Artifact, ...]:
        """Return the artifacts of a model that have to be downloaded."""
        return tuple(artifact for artifact in model.artifacts if self.find(artifact) is None)


def matching(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the files that one of the patterns means; `*` also spans folders, as in the library."""
    chosen = tuple(patterns)
    return [file for file in files if any(fnmatchcase(file, pattern) for pattern in chosen)]


def _commit(repository: Path, revision: str) -> str:
    """A branch or tag is a file with a commit; anything else can only be a commit itself."""
    try:
        return (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        return revision


def _wanted(listing: Path, patterns: tuple[str, ...]) -> list[str] | None:
    """The files that should be there; None where the repository was downloaded without keeping its listing."""
    try:
        files = _read_listing(listing)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return matching(files, patterns)


@lru_cache(maxsize=256)
def _read_listing(path: Path) -> tuple[str, ...]:
    """A commit's listing never changes."""
    listing = json.loads(path.read_text(encoding="utf-8"))
    if listing["format_version"] != LISTING_FORMAT:
        raise ValueError
    return tuple(listing["files"])


def _has_all(snapshot: Path, wanted: list[str]) -> bool:
    return bool(wanted) and all((snapshot / file).is_file() for file in wanted)


def _looks_complete(snapshot: Path) -> bool:
    """Without a listing: there are weights, and every file that an index of shards names."""
    files = [path for path in snapshot.rglob("*") if path.is_file()]
    indexes = [path for path in files if path.name.endswith(".index.json")]
    try:
        is_whole = all(_has_shards(index) for index in indexes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return is_whole and any(path.suffix in WEIGHTS for path in files)


def _has_shards(index: Path) -> bool:
    """Whether all files of an index are there, or none: some conversions keep the index of their original."""
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    there = [(index.parent / name).is_file() for name in names]
    return all(there) or (not any(there) and any(index.parent.glob("*.safetensors")))
