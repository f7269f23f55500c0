"""Retention of results and answers: decide by size and age which ones expire, and delete them once an hour.

One reading of the clock is not trusted: a machine may start with a wrong date. The time that counts goes on by at most
a day from one run to the next, and `clock.json` keeps it over restarts. After a long pause results therefore stay a few
days longer.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from mcp_server.files.answers import FOLDER_NAME
from mcp_server.files.artifacts import ARTIFACT_ID, ArtifactKind
from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.settings import Settings

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
RETENTION_INTERVAL_SECONDS = 3600.0
MIN_AGE_SECONDS = 3600.0
"""A newer result is never deleted for its size: the client has only just received its path."""
MAX_STEP_SECONDS = DAY_SECONDS
"""How far the trusted time goes on from one run to the next."""
CLOCK_FILE = "clock.json"


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One result with the files of all its formats, or an answer with what belongs to it."""

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


def trusted_time(now: float, last_trusted: float | None, newest_result_at: float | None) -> float:
    """Return the time that counts for ages, in seconds since the epoch; never later than `now`.

    `last_trusted` is that of the last run. The first run knows only when the newest result was written.
    """
    known = newest_result_at if last_trusted is None else last_trusted
    return now if known is None else min(now, known + MAX_STEP_SECONDS)


def advance_clock(path: Path, now: float, newest_result_at: float | None) -> float:
    """Return the trusted time of this run and keep it in the file at `path`.

    Raises:
        OSError: the file cannot be written; then nothing may be deleted.
    """
    trusted = trusted_time(now, _last_trusted(path), newest_result_at)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"trusted": trusted}).encode(), mode=PRIVATE)
    return trusted


def _last_trusted(path: Path) -> float | None:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["trusted"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def delete_expired(folder: Path, data_folder: Path, now: float, *, days: float, max_bytes: int) -> int:
    """Delete the expired results in `folder`, and the answers and jobs that are as old; return how many went.

    `data_folder` holds the answers, and the trusted time. Other files stay. Blocks on the disk.

    Raises:
        OSError: the trusted time cannot be kept; nothing was deleted.
    """
    results = list(find_results(folder))
    newest_result_at = max((result.written_at for result in results), default=None)
    trusted_now = advance_clock(data_folder / CLOCK_FILE, now, newest_result_at)
    to_delete = expired(results, trusted_now, days=days, max_bytes=max_bytes)
    to_delete += expired(find_answers(data_folder / FOLDER_NAME), trusted_now, days=days, max_bytes=0)
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


def find_answers(folder: Path) -> Iterator[StoredResult]:
    """Yield every answer with what belongs to it: the files whose names begin alike."""
    paths_by_name: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*.*"):
        paths_by_name[path.name.partition(".")[0]].append(path)
    yield from filter(None, map(_stored_result, paths_by_name.values()))


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


async def run_retention(current: Callable[[], Settings], interval_seconds: float = RETENTION_INTERVAL_SECONDS) -> None:
    """Delete expired results now and every `interval_seconds`, by the settings of that moment, until cancelled.

    Raises:
        OSError: the trusted time cannot be kept.
    """
    while True:
        settings = current()
        count = await anyio.to_thread.run_sync(
            partial(
                delete_expired,
                settings.folders.artifacts,
                settings.folders.data,
                time.time(),
                days=settings.artifact_keep_days,
                max_bytes=settings.max_artifact_bytes,
            )
        )
        if count:
            logger.info("Deleted %d expired results (artifacts.keep_days, artifacts.max_gb)", count)
        await anyio.sleep(interval_seconds)
