"""Log of which model was requested when: one JSON object a line, bounded, without any content of the requests.

`{"t": 1764000000.0, "e": "asked", "m": "stt-fast"}`: `t` is seconds since the epoch, `m` the model. Senses 0.1 also
wrote lines with `"e": "loaded"`; they are skipped.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model_runtime.atomic_file import append_lines
from model_runtime.problems import Problems

NAME = "trace.jsonl"
LARGEST_BYTES = 4_000_000
"""About 60 000 requests. A larger file is renamed to `older` and a new one is started."""
RECENT_BYTES = 65_536
"""About the last thousand requests; `recent_models` reads no more."""

PROBLEM = "usage log"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request for a model; `at` is seconds since the epoch."""

    at: float
    model: str


class UsageLog:
    """Collects lines and writes them on `save`, so that no request waits for the disk."""

    def __init__(self, folder: Path, clock: Callable[[], float], problems: Problems | None = None) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._problems = problems or Problems()
        self._lines: list[str] = []

    def record(self, model: str) -> None:
        """Record a request for a model."""
        self._lines.append(json.dumps({"t": round(self._clock(), 3), "e": "asked", "m": model}))

    def save(self) -> None:
        """Append the recorded lines to the file; if the disk refuses, report a problem and drop them."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            if append_lines(self._path, lines) > LARGEST_BYTES:
                self._path.replace(older(self._path))
        except OSError as error:
            self._problems.report(PROBLEM, f"{self._path} cannot be written: {error.strerror}. Make room there.")
        else:
            self._problems.clear(PROBLEM)


def older(path: Path) -> Path:
    """Return the path of the older half of a log."""
    return path.with_suffix(".1.jsonl")


def recent_models(folder: Path) -> list[str]:
    """Return the models of the last requests, the newest at the end; none if the file cannot be read."""
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - RECENT_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [request.model for request in parse(lines)]


def parse(lines: Iterable[str]) -> Iterator[ModelRequest]:
    """Yield the requests in the lines of a log; incomplete and unknown lines are skipped."""
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["e"] == "asked":
                yield ModelRequest(float(entry["t"]), str(entry["m"]))
        except (ValueError, KeyError, TypeError):
            continue
