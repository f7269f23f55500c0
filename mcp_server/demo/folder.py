"""Where a demo is kept: a folder of its own that never held anything, with its results as JSON."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from mcp_server.demo.trip import RoundTrip
from mcp_server.files.artifacts import write_atomically
from mcp_server.launcher.paths import VERSION
from model_runtime.errors import InvalidInput

RESULTS = "results.json"


def new_folder(parent: Path) -> Path:
    """Make a folder named by date and time; raises `InvalidInput` where nothing can be written."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (stamp if number == 1 else f"{stamp}-{number}" for number in count(1))
    return next(made for name in names if (made := _make(parent / name, fresh=True)))


def given_folder(path: Path) -> Path:
    """Make or take the folder a person named.

    Raises:
        InvalidInput: it holds something, or cannot be written.
    """
    folder = path.expanduser().absolute()
    _make(folder, fresh=False)
    if any(folder.iterdir()):
        raise InvalidInput(
            f"{folder} is not empty, and the demo overwrites nothing. Name a new folder, or leave --folder out."
        )
    return folder


def save_results(folder: Path, trips: Sequence[RoundTrip]) -> None:
    """Write everything that is known about the trips so far as JSON."""
    table = {
        "senses": VERSION,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "same": sum(trip.is_meaning_kept for trip in trips),
        "sentences": len(trips),
        "seconds": round(sum(trip.seconds for trip in trips), 2),
        "trips": [_row(trip) for trip in trips],
    }
    write_atomically(folder / RESULTS, (json.dumps(table, ensure_ascii=False, indent=1) + "\n").encode())


def _row(trip: RoundTrip) -> dict[str, Any]:
    return asdict(trip) | {"same": trip.is_meaning_kept, "seconds": round(trip.seconds, 2), "error": trip.error}


def _make(folder: Path, *, fresh: bool) -> Path | None:
    """Make a folder; None where a `fresh` one is asked for and it exists."""
    try:
        folder.mkdir(parents=True, exist_ok=not fresh)
    except FileExistsError as error:
        if fresh:
            return None
        raise InvalidInput(f"{folder} is a file; name a folder.") from error
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be made: {error.strerror}. Name another with --folder.") from error
    return folder
