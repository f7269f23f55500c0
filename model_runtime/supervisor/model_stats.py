"""What was learned about models and is worth keeping: how much memory they take and how long they load and work.

One small JSON file, written whole or not at all. Losing it costs nothing but the first estimates.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_runtime.atomic_file import write_atomically
from model_runtime.catalog.model import Model
from model_runtime.scheduler.model_record import ModelRecord

SCHEMA = 1
NAME = "learned.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelStats:
    """One model as it was measured."""

    needed_bytes: int
    load_seconds: float
    service_seconds: float


class ModelStatsStore:
    """Reads the file once and writes it where something changed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._stats = read(self._path)
        self._is_saved = True

    def get(self, model: Model) -> ModelStats | None:
        """Return what is known of exactly this model: same files, same options."""
        return self._stats.get(key(model))

    def record(self, model: Model, record: ModelRecord) -> None:
        """Take in what the scheduler has learned by now."""
        learned = ModelStats(record.needed_bytes, round(record.load_seconds, 3), round(record.service_seconds, 3))
        if self._stats.get(key(model)) != learned:
            self._stats[key(model)] = learned
            self._is_saved = False

    def save(self) -> None:
        """Write the file if anything changed; a disk that refuses is logged once and costs nothing else."""
        if self._is_saved:
            return
        self._is_saved = True
        try:
            write(self._path, self._stats)
        except OSError as error:
            log.warning("%s cannot be written: %s. Estimates start anew next time.", self._path, error.strerror)


def key(model: Model) -> str:
    """Name a model with a digest of where its files come from and what it is loaded with."""
    parts = [model.engine, model.path, *(f"{one.repo}@{one.revision}" for one in model.artifacts)]
    parts += [f"{name}={value}" for name, value in sorted(model.options.items())]
    return f"{model.name} {hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def read(path: Path) -> dict[str, ModelStats]:
    """Read the file; whatever is no such file, or of another schema, or cut off, is as if there were none."""
    try:
        stored: Any = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            return {}
        return {name: _learned(facts) for name, facts in stored["models"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is ignored: %s", path, error)
        return {}


def _learned(facts: Mapping[str, Any]) -> ModelStats:
    return ModelStats(int(facts["needed_bytes"]), float(facts["load_seconds"]), float(facts["service_seconds"]))


def write(path: Path, known: Mapping[str, ModelStats]) -> None:
    """Write the file whole or not at all, and make its folder.

    Not forced onto the disk: that could hold the event loop up, and a file that a power cut left half is ignored.
    """
    text = json.dumps({"schema": SCHEMA, "models": {name: asdict(learned) for name, learned in known.items()}})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
