"""What the tests of the two audio engines share: loading, running to the end, and recordings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from model_runtime.engines.protocol import JobEngine
from model_runtime.errors import Cancelled
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadSpec
from model_runtime.media.types import Sound
from model_runtime.requests import Request

Engine = TypeVar("Engine", bound=JobEngine)


def load(engine: Engine, folders: Mapping[str, Path], **options: Any) -> Engine:
    """Load a checkpoint under the name "tiny"."""
    engine.load(LoadSpec("tiny", "", {role: str(folder) for role, folder in folders.items()}, options), quiet)
    return engine


def quiet(stage: str, fraction: float | None) -> None:
    """A report that nobody reads."""


def patient() -> None:
    """A check of a job nobody cancels."""


def drive(engine: JobEngine, request: Request, check: Callable[[], None] = patient) -> list[EngineEvent | Result]:
    """Everything that happens; the result comes last."""
    return list(engine.run(request, check))


def of(kind: type[Any], events: list[EngineEvent | Result]) -> list[Any]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


class Impatient:
    """A check that cancels the job the `calls`-th time it is asked."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Cancelled("enough")


def sound(samples: np.ndarray) -> Sound:
    """Samples in -1..1 at 16 kHz as a recording."""
    return Sound(16_000, (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
