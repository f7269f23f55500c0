"""Measured memory, load time and service time of models, kept in one small JSON file.

The estimates for the next start of Senses come from it; without the file they come from the catalogue.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.catalog.model import Model
from model_runtime.problems import Problems
from model_runtime.scheduler.model_record import ModelRecord

SCHEMA = 1
"""Version of the file's format."""
NAME = "learned.json"
PROBLEM = "measurements of models"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelStats:
    """The measurements of one model."""

    needed_bytes: int
    load_seconds: float
    service_seconds: float


class ModelStatsStore:
    """Reads the file once and writes it when measurements have changed."""

    def __init__(self, folder: Path, problems: Problems | None = None) -> None:
        self._path = folder / NAME
        self._problems = problems or Problems()
        self._stats = read(self._path)
        self._is_saved = True

    def get(self, model: Model) -> ModelStats | None:
        """Return the measurements of this model with the same files and options, or None."""
        return self._stats.get(key(model))

    def record(self, model: Model, record: ModelRecord) -> None:
        """Take over the scheduler's measurements of a model."""
        stats = ModelStats(record.needed_bytes, round(record.load_seconds, 3), round(record.service_seconds, 3))
        if self._stats.get(key(model)) != stats:
            self._stats[key(model)] = stats
            self._is_saved = False

    def save(self) -> None:
        """Write the file if anything has changed; report a problem if the disk refuses."""
        if self._is_saved:
            return
        try:
            write(self._path, self._stats)
        except OSError as error:
            consequence = "The next start of Senses will estimate the memory of models again."
            self._problems.report(PROBLEM, f"{self._path} cannot be written: {error.strerror}. {consequence}")
        else:
            self._is_saved = True
            self._problems.clear(PROBLEM)


def key(model: Model) -> str:
    """Return the model's name with a digest of the source of its files and of its options."""
    parts = [model.engine, model.path, *(f"{one.repo}@{one.revision}" for one in model.artifacts)]
    parts += [f"{name}={value}" for name, value in sorted(model.options.items())]
    return f"{model.name} {hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def read(path: Path) -> dict[str, ModelStats]:
    """Return the measurements in a file; a missing, damaged or newer file has none."""
    try:
        stored: Any = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            return {}
        return {
            name: ModelStats(int(one["needed_bytes"]), float(one["load_seconds"]), float(one["service_seconds"]))
            for name, one in stored["models"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is ignored: %s", path, error)
        return {}


def write(path: Path, stats: Mapping[str, ModelStats]) -> None:
    """Replace the file atomically and create its folder.

    There is no fsync: it could block the event loop, and `read` ignores a file that a power cut left damaged.

    Raises:
        OSError: the disk refuses.
    """
    text = json.dumps({"schema": SCHEMA, "models": {name: asdict(one) for name, one in stats.items()}})
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, text.encode(), mode=PRIVATE)
