"""The log of requests and loads: one JSON object a line, bounded, without a word of what was asked.

`{"t": 1764000000.0, "e": "asked", "m": "stt-fast"}` is a request; `"e": "loaded"` has the seconds the load took and the
bytes the model holds. Times are seconds since the epoch.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

NAME = "trace.jsonl"
LARGEST_BYTES = 4_000_000
"""About 60 000 requests; then the file becomes the older half and a new one begins."""
RECENT_BYTES = 65_536
"""About the last thousand requests."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a model."""

    at: float
    model: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load that succeeded."""

    model: str
    seconds: float
    held_bytes: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened: requests in order of time, and what is known of each model."""

    asked: tuple[Asked, ...]
    load_seconds: dict[str, float]
    held_bytes: dict[str, int]


class TraceLog:
    """Collects lines and writes them when told to, so that nothing waits for the disk."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._lines: list[str] = []

    def asked(self, model: str) -> None:
        """Note a request."""
        self._note({"e": "asked", "m": model})

    def loaded(self, model: str, seconds: float, held_bytes: int) -> None:
        """Note a load that succeeded."""
        self._note({"e": "loaded", "m": model, "s": round(seconds, 3), "b": held_bytes})

    def save(self) -> None:
        """Append what was noted; a disk that refuses is logged and costs nothing else."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                file.write("".join([*(["\n"] if _is_cut_off(file) else []), *lines]).encode())
                is_full = file.tell() > LARGEST_BYTES
            if is_full:
                self._path.replace(older(self._path))
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)

    def _note(self, facts: dict[str, Any]) -> None:
        self._lines.append(json.dumps({"t": round(self._clock(), 3), **facts}) + "\n")


def _is_cut_off(file: IO[bytes]) -> bool:
    """Whether the last line has no end, as after a full disk or a power cut; the next one must not be lost with it."""
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def older(path: Path) -> Path:
    """Where the half before goes."""
    return path.with_suffix(".1.jsonl")


def read(folder: Path) -> Trace:
    """Read both halves of the log; lines that are cut off or not ours are passed over."""
    path = folder / NAME
    return parse([*_lines(older(path)), *_lines(path)])


def last_asked(folder: Path) -> list[str]:
    """Read which models were asked for last, the newest at the end; a bounded look at the end of the file."""
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - RECENT_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [fact.model for fact in _facts(lines) if isinstance(fact, Asked)]


def parse(lines: Iterable[str]) -> Trace:
    """Make a trace of lines; the last load of a model is the one that counts."""
    facts = list(_facts(lines))
    loads = {fact.model: fact for fact in facts if isinstance(fact, Loaded)}
    asked = [fact for fact in facts if isinstance(fact, Asked) and fact.model in loads]
    return Trace(
        tuple(sorted(asked, key=lambda one: one.at)),
        {name: load.seconds for name, load in loads.items()},
        {name: load.held_bytes for name, load in loads.items()},
    )


def _facts(lines: Iterable[str]) -> Iterator[Asked | Loaded]:
    for line in lines:
        try:
            facts = json.loads(line)
            if facts["e"] == "asked":
                yield Asked(float(facts["t"]), str(facts["m"]))
            elif facts["e"] == "loaded":
                yield Loaded(str(facts["m"]), float(facts["s"]), int(facts["b"]))
        except (ValueError, KeyError, TypeError):
            continue


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
