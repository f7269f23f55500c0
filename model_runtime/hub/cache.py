"""Find models in the Hugging Face cache without huggingface_hub, which takes 30 MB of the daemon's memory.

Layout: `models--OWNER--NAME` has `refs/REVISION` with a commit, `snapshots/COMMIT` with the files, and
`trees/COMMIT.json` with the list of all files (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
`refs/senses/REVISION` is ours: the commit that was pulled for a revision. Other programs move `refs/main` when they
download, and what runs here must not change by that.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from model_runtime.atomic_file import write_atomically
from model_runtime.catalog.foreign_files import InvalidCheckpoint, list_files, read_json_object, read_text
from model_runtime.catalog.model import ModelArtifact
from model_runtime.catalog.weight_file import WEIGHT_SUFFIXES

MAX_COMMIT_BYTES = 1000
"""Of the file that holds the commit of a branch or tag."""
COMMIT_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
KEPT_COMMITS = Path("refs", "senses")
LISTING_FORMAT_VERSION = 1
"""`format_version` of `trees/COMMIT.json`."""


def hub_folder(environ: Mapping[str, str]) -> Path:
    """Return the cache folder that huggingface_hub uses with these environment variables."""
    cache_home = Path(environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(environ.get("HF_HOME") or cache_home / "huggingface")
    folder = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub"
    return Path(folder).expanduser()


class HubCache:
    """Finds downloaded artifacts in one cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Return the snapshot folder of the artifact, or None if a file is missing or cannot be looked at."""
        try:
            return self._find(artifact)
        except (OSError, ValueError):
            return None

    def commit(self, artifact: ModelArtifact) -> str:
        """Return the commit that is used for the artifact, or its revision if nothing was pulled."""
        return _resolve_commit(self._repository(artifact), artifact.revision)

    def keep_commit(self, artifact: ModelArtifact, commit: str) -> None:
        """Use this commit for the artifact's revision from now on.

        Raises:
            OSError: the cache cannot be written.
        """
        file = self._repository(artifact) / KEPT_COMMITS / artifact.revision
        if commit == artifact.revision:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, commit.encode())

    def _repository(self, artifact: ModelArtifact) -> Path:
        return self.folder / f"models--{artifact.repo.replace('/', '--')}"

    def _find(self, artifact: ModelArtifact) -> Path | None:
        repository = self._repository(artifact)
        if not repository.is_dir():
            return None
        commit = _resolve_commit(repository, artifact.revision)
        snapshot = repository / "snapshots" / commit
        if not COMMIT_NAME.fullmatch(commit) or not snapshot.is_dir():
            return None
        expected = _expected_files(repository / "trees" / f"{commit}.json", artifact.patterns)
        if expected is None:
            return snapshot if _looks_complete(snapshot) else None
        return snapshot if expected and all((snapshot / file).is_file() for file in expected) else None


def filter_by_patterns(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the files that match a pattern. `*` also matches "/", as in huggingface_hub."""
    pattern_list = tuple(patterns)
    return [file for file in files if any(fnmatchcase(file, pattern) for pattern in pattern_list)]


def _resolve_commit(repository: Path, revision: str) -> str:
    """Return the commit that was pulled for a revision, or of a branch or tag. Any other revision is a commit."""
    for refs in (repository / KEPT_COMMITS, repository / "refs"):
        with suppress(InvalidCheckpoint):
            return read_text(refs / revision, MAX_COMMIT_BYTES).strip()
    return revision


def _expected_files(listing: Path, patterns: tuple[str, ...]) -> list[str] | None:
    """Return the files of a complete artifact, or None if the cache has no listing of the repository."""
    try:
        files = _read_listing(listing)
    except (InvalidCheckpoint, ValueError):
        return None
    return filter_by_patterns(files, patterns)


@lru_cache(maxsize=256)  # the listing of a commit never changes
def _read_listing(path: Path) -> tuple[str, ...]:
    listing = read_json_object(path)
    files = listing.get("files")
    if listing.get("format_version") != LISTING_FORMAT_VERSION or not isinstance(files, list | dict):
        raise ValueError("another format")
    return tuple(map(str, files))


def _looks_complete(snapshot: Path) -> bool:
    """Return whether a snapshot without a listing has weights and all files of its shard indexes."""
    files = [path for path in list_files(snapshot) if path.is_file()]
    indexes = [path for path in files if path.name.endswith(".index.json")]
    try:
        has_all_shards = all(_has_shards(index) for index in indexes)
    except InvalidCheckpoint:
        return False
    return has_all_shards and any(path.suffix in WEIGHT_SUFFIXES for path in files)


def _has_shards(index: Path) -> bool:
    """Return whether all files of an index exist, or none: some conversions keep the index of the original."""
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict):
        return False
    found = [(index.parent / str(name)).is_file() for name in set(map(str, weight_map.values()))]
    return all(found) or (not any(found) and bool(list_files(index.parent, (".safetensors",), depth=1)))
