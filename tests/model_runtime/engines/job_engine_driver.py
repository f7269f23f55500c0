"""What the tests of the two audio engines share: loading, running to the end, and recordings."""

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
    """A report that nobody reads."""


def never_cancelled() -> None:
    """A check of a job nobody cancels."""


def run_to_end(
    engine: JobEngine, request: Request, check: Callable[[], None] = never_cancelled
) -> list[EngineEvent | Result]:
    """Everything that happens; the result comes last."""
    return list(engine.run(request, check))


def events_of_type(kind: type[Any], events: list[EngineEvent | Result]) -> list[Any]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


class CancelAfter:
    """A check that cancels the job the `calls`-th time it is asked."""

    def __init__(self, calls: int) -> None:
        self.remaining_calls = calls

    def __call__(self) -> None:
        self.remaining_calls -= 1
        if self.remaining_calls <= 0:
            raise Cancelled("enough")


def audio_of(samples: np.ndarray) -> Audio:
    """Samples in -1..1 at 16 kHz as a recording."""
    return Audio(16_000, (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
