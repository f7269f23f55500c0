"""Which results have had their time: a decision over names, sizes and ages; and the round that carries it out."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from mcp_server.files.artifacts import ID, Kind
from model_runtime.settings import Settings

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
ROUND_SECONDS = 3600.0
YOUNG_SECONDS = 3600.0
"""A result this new stays whatever it takes: someone has just been told its path."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One result with all its files: bytes on disk, and when the newest was written, in seconds since the epoch."""

    paths: tuple[Path, ...]
    size_bytes: int
    written: float


def outdated(kept: Iterable[Kept], now: float, *, days: float, max_bytes: int) -> list[Kept]:
    """Return what goes: results older than `days`, then the oldest until the rest has `max_bytes`; 0 sets no limit."""
    going: list[Kept] = []
    total = 0
    for one in sorted(kept, key=lambda one: one.written, reverse=True):
        age = now - one.written
        is_old = days > 0 and age > days * DAY_SECONDS
        total += one.size_bytes
        is_too_much = 0 < max_bytes < total and age > YOUNG_SECONDS
        if is_old or is_too_much:
            going.append(one)
    return going


def prune(folder: Path, now: float, *, days: float, max_bytes: int) -> int:
    """Delete outdated results under `folder` and return how many; blocking. What else lies there stays."""
    going = outdated(results(folder), now, days=days, max_bytes=max_bytes)
    for path in (path for one in going for path in one.paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be deleted: %s", path, error.strerror)
    return len(going)


def results(folder: Path) -> Iterator[Kept]:
    """Find every result: the files of one kind that share an id."""
    for kind in Kind:
        groups: dict[str, list[Path]] = defaultdict(list)
        for path in (folder / kind).glob("*"):
            if ID.fullmatch(path.stem) and path.is_file() and not path.is_symlink():
                groups[path.stem].append(path)
        yield from filter(None, map(_kept, groups.values()))


def _kept(paths: list[Path]) -> Kept | None:
    try:
        facts = [path.lstat() for path in paths]
    except OSError:
        return None  # someone deletes them right now
    return Kept(tuple(paths), sum(one.st_size for one in facts), max(one.st_mtime for one in facts))


async def keep_house(settings: Settings, pause_seconds: float = ROUND_SECONDS) -> None:
    """Delete outdated results now and every hour; runs until cancelled."""
    while True:
        count = await anyio.to_thread.run_sync(
            lambda: prune(
                settings.folders.artifacts, time.time(), days=settings.keep_days, max_bytes=settings.keep_bytes
            )
        )
        if count:
            logger.info("Deleted %d results that were older than %g days or too many", count, settings.keep_days)
        await anyio.sleep(pause_seconds)
