"""Load a `JobEngine`, run a job on it, and create recordings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from model_runtime.engines.protocol import JobEngine
from model_runtime.errors import Cancelled
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadSpec
from model_runtime.media.types import Audio
from model_runtime.requests import Request

Engine = TypeVar("Engine", bound=JobEngine)


def load(engine: Engine, folders: Mapping[str, Path], **options: Any) -> Engine:
    """Load a checkpoint under the name "tiny"."""
    engine.load(LoadSpec("tiny", "", {role: str(folder) for role, folder in folders.items()}, options), ignore_progress)
    return engine


def ignore_progress(stage: str, fraction: float | None) -> None:
    """Discard the progress of a load."""


def never_cancelled() -> None:
    """Check a job that is not cancelled."""


def run_to_end(
    engine: JobEngine, request: Request, check_cancelled: Callable[[], None] = never_cancelled
) -> list[EngineEvent | Result]:
    """Run a job and return its events and, last, its result."""
    return list(engine.run(request, check_cancelled))


def events_of_type(kind: type[Any], events: list[EngineEvent | Result]) -> list[Any]:
    """Return the events of one type."""
    return [event for event in events if isinstance(event, kind)]


class CancelAfter:
    """A check that cancels the job at its `calls`-th call."""

    def __init__(self, calls: int) -> None:
        self.remaining_calls = calls

    def __call__(self) -> None:
        self.remaining_calls -= 1
        if self.remaining_calls <= 0:
            raise Cancelled("enough")


def audio_of(samples: np.ndarray) -> Audio:
    """Return samples in -1..1 at 16 kHz as a recording."""
    return Audio(16_000, (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
