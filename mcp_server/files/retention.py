"""Retention of results: decide by size and age which ones expire, and delete them once an hour."""

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
"""A newer result is never deleted for its size: the client has only just received its path."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One result with the files of all its formats."""

    paths: tuple[Path, ...]
    size_bytes: int
    """The sum over all files."""
    written_at: float
    """When the newest file was written, in seconds since the epoch."""


def expired(results: Iterable[StoredResult], now: float, *, days: float, max_bytes: int) -> list[StoredResult]:
    """Return the results to delete: those older than `days`, then the oldest until the rest fits in `max_bytes`.

    `now` is in seconds since the epoch. A limit of 0 is no limit.
    """
    to_delete: list[StoredResult] = []
    total_bytes = 0
    for result in sorted(results, key=lambda result: result.written_at, reverse=True):
        age = now - result.written_at
        is_old = days > 0 and age > days * DAY_SECONDS
        total_bytes += result.size_bytes
        is_over_limit = 0 < max_bytes < total_bytes and age > MIN_AGE_SECONDS
        if is_old or is_over_limit:
            to_delete.append(result)
    return to_delete


def delete_expired(folder: Path, now: float, *, days: float, max_bytes: int) -> int:
    """Delete expired results in `folder` and return their number; other files stay. Blocks on the disk."""
    to_delete = expired(find_results(folder), now, days=days, max_bytes=max_bytes)
    for path in (path for result in to_delete for path in result.paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be deleted: %s", path, error.strerror)
    return len(to_delete)


def find_results(folder: Path) -> Iterator[StoredResult]:
    """Yield every result: the files of one kind that share an id."""
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
        return None  # another program is deleting them
    return StoredResult(
        tuple(paths),
        sum(file_stat.st_size for file_stat in file_stats),
        max(file_stat.st_mtime for file_stat in file_stats),
    )


async def run_retention(settings: Settings, interval_seconds: float = RETENTION_INTERVAL_SECONDS) -> None:
    """Delete expired results now and every `interval_seconds`, until cancelled."""
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
            logger.info("Deleted %d expired results (artifacts.keep_days, artifacts.max_gb)", count)
        await anyio.sleep(interval_seconds)
