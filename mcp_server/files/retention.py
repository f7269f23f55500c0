"""Which results have had their time: a decision over names, sizes and ages; and the round that carries it out."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from mcp_server.files.artifacts import ARTIFACT_ID, ArtifactKind
from model_runtime.settings import Settings

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
RETENTION_INTERVAL_SECONDS = 3600.0
MIN_AGE_SECONDS = 3600.0
"""A result this new stays whatever it takes: someone has just been told its path."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One result with all its files: bytes on disk, and when the newest was written, in seconds since the epoch."""

    paths: tuple[Path, ...]
    size_bytes: int
    written_at: float


def expired(results: Iterable[StoredResult], now: float, *, days: float, max_bytes: int) -> list[StoredResult]:
    """Return what goes: results older than `days`, then the oldest until the rest has `max_bytes`; 0 sets no limit."""
    to_delete: list[StoredResult] = []
    total_bytes = 0
    for result in sorted(results, key=lambda one: one.written_at, reverse=True):
        age = now - result.written_at
        is_old = days > 0 and age > days * DAY_SECONDS
        total_bytes += result.size_bytes
        is_over_limit = 0 < max_bytes < total_bytes and age > MIN_AGE_SECONDS
        if is_old or is_over_limit:
            to_delete.append(result)
    return to_delete


def delete_expired(folder: Path, now: float, *, days: float, max_bytes: int) -> int:
    """Delete outdated results under `folder` and return how many; blocking. What else lies there stays."""
    to_delete = expired(find_results(folder), now, days=days, max_bytes=max_bytes)
    for path in (path for result in to_delete for path in result.paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be deleted: %s", path, error.strerror)
    return len(to_delete)


def find_results(folder: Path) -> Iterator[StoredResult]:
    """Find every result: the files of one kind that share an id."""
    for kind in ArtifactKind:
        paths_by_id: dict[str, list[Path]] = defaultdict(list)
        for path in (folder / kind).glob("*"):
            if ARTIFACT_ID.fullmatch(path.stem) and path.is_file() and not path.is_symlink():
                paths_by_id[path.stem].append(path)
        yield from filter(None, map(_stored_result, paths_by_id.values()))


def _stored_result(paths: list[Path]) -> StoredResult | None:
    try:
        file_stats = [path.lstat() for path in paths]
    except OSError:
        return None  # someone deletes them right now
    return StoredResult(
        tuple(paths),
        sum(file_stat.st_size for file_stat in file_stats),
        max(file_stat.st_mtime for file_stat in file_stats),
    )


async def run_retention(settings: Settings, interval_seconds: float = RETENTION_INTERVAL_SECONDS) -> None:
    """Delete outdated results now and every hour; runs until cancelled."""
    while True:
        count = await anyio.to_thread.run_sync(
            lambda: delete_expired(
                settings.folders.artifacts,
                time.time(),
                days=settings.artifact_keep_days,
                max_bytes=settings.max_artifact_bytes,
            )
        )
        if count:
            logger.info(
                "Deleted %d results that were older than %g days or too many", count, settings.artifact_keep_days
            )
        await anyio.sleep(interval_seconds)
