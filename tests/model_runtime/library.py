"""A catalogue of scripted models, and a runtime on it with real worker processes."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from model_runtime.catalog.model import Model, ModelArtifact, ModelInfo
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import ModelMissing, UnknownModel
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Request, Task
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.supervisor.pressure import Pressure
from model_runtime.supervisor.watchdog import WatchdogLimits

MEGABYTE = 1_000_000
SERIAL_ENGINE = "tests.scripted_engine:ScriptedEngine"
STEP_ENGINE = "tests.scripted_engine:ScriptedStepEngine"


def scripted_model(name: str, task: Task = Task.TEXT, *, load: str = "", concurrency: int = 1) -> Model:
    """Return a model whose engine runs the scripts of its requests, `concurrency` at a time."""
    engine = SERIAL_ENGINE if concurrency == 1 else STEP_ENGINE
    return Model(name, task, engine, "scripted", concurrency=concurrency, options={"load": load})


class EmptyStore:
    """A store without any download."""

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Return None."""
        return None


class ScriptedCatalog:
    """Models by name; `needed` maps names to sizes in bytes, `missing` names models without files."""

    def __init__(
        self,
        *models: Model,
        needed: Mapping[str, int] | None = None,
        missing: tuple[str, ...] = (),
        folder: Path | None = None,
    ) -> None:
        self._models = {model.name: model for model in models}
        self._needed_bytes = needed or {}
        self.missing = set(missing)
        self._model_folder = folder

    def models(self) -> list[Model]:
        """Return all models."""
        return list(self._models.values())

    def is_known(self, name: str) -> bool:
        """Return whether there is a model of this name."""
        return name in self._models

    def rescan(self, in_use: Callable[[str], bool]) -> None:
        """No model comes or goes."""

    def set_options(self, name: str, **options: Any) -> None:
        """Replace the options of a model from its next load on."""
        self._models[name] = replace(self._models[name], options=options)

    def resolve(self, name: str, task: Task) -> Model:
        """Return the model of this exact name, for any task."""
        if name not in self._models:
            raise UnknownModel(name, self._models)
        return self._models[name]

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Return the given folder, or none."""
        if model.name in self.missing:
            raise ModelMissing(model.name, 5 * MEGABYTE, f"senses pull {model.name}")
        return {"model": self._model_folder} if self._model_folder else {}

    def is_present(self, model: Model) -> bool:
        """Return whether the model has files."""
        return model.name not in self.missing

    def context_tokens(self, model: Model, folders: Mapping[str, Path], budget_bytes: int) -> int:
        """Set no limit."""
        return 0

    def info(self, model: Model, budget_bytes: int = 0) -> ModelInfo:
        """Return one megabyte of weights, and two voices and one language of a speech model."""
        is_speech = model.task is Task.SPEECH
        return ModelInfo(
            present=model.name not in self.missing,
            default=model.name == next(iter(self._models)),
            weights_bytes=MEGABYTE,
            needed_bytes=self.needed_bytes(model, {}),
            voices=("alma", "otto") if is_speech else (),
            languages=("en",) if is_speech else (),
        )

    def needed_bytes(self, model: Model, folders: Mapping[str, Path]) -> int:
        """Return the given size, or 50 MB."""
        return self._needed_bytes.get(model.name, 50 * MEGABYTE)

    def working_bytes(self, request: Request, model: Model, folders: Mapping[str, Path]) -> int:
        """Return none."""
        return 0


class FakeClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class PassingClock(FakeClock):
    """A clock that goes on to `until` in steps too short for the watchdog to think that the machine slept.

    `options` are those of the runtime: each of its checks reads the pressure and so lets a step pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.until = self.now

    @property
    def options(self) -> dict[str, Any]:
        """The runtime's clock, what its checks call, and limits for workers, whose heartbeats keep to the real time."""
        patient = WatchdogLimits(heartbeat_seconds=1e9, stall_seconds=dict.fromkeys(Task, 1e9))
        return {"clock": self, "memory_pressure": self._step, "watchdog_limits": patient}

    def _step(self) -> Pressure:
        self.now = min(self.now + 4.0, self.until)
        return Pressure.NORMAL


def skip_validation(request: Request, model: Model, folders: Mapping[str, Path]) -> None:
    """Accept every request."""


_preexisting_pids: set[int] = set()
"""Child processes that are older than the runtime under test."""


def living_workers() -> list[psutil.Process]:
    """Return the living worker processes of the runtime under test."""
    children = [child for child in psutil.Process().children() if child.pid not in _preexisting_pids]
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


SHORT_STOP_TIMEOUTS = StopTimeouts(graceful_seconds=0.5, sigterm_seconds=0.5)


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    catalog: CatalogProtocol,
    *,
    validate: Callable[[Request, Model, Mapping[str, Path]], None] = skip_validation,
    **overrides: Any,
) -> AsyncGenerator[Runtime]:
    """Open a runtime with a short tick and short timeouts for stopping processes."""
    _preexisting_pids.clear()
    _preexisting_pids.update(child.pid for child in psutil.Process().children())
    options: dict[str, Any] = {"tick_seconds": 0.02, "stop_timeouts": SHORT_STOP_TIMEOUTS} | overrides
    async with Runtime(catalog, settings, validate=validate, **options) as runtime:
        yield runtime
