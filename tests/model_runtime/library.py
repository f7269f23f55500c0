"""A catalogue in memory, of scripted models, and a runtime on it with real worker processes."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import ModelMissing, UnknownModel
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Request, Task
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings

MEGABYTE = 1_000_000
SERIAL_ENGINE = "tests.scripted_engine:ScriptedEngine"
STEP_ENGINE = "tests.scripted_engine:ScriptedStepEngine"


def scripted_model(name: str, task: Task = Task.TEXT, *, load: str = "", concurrency: int = 1) -> Model:
    """A model whose engine does what scripts say, several jobs at a time where `concurrency` says so."""
    engine = SERIAL_ENGINE if concurrency == 1 else STEP_ENGINE
    return Model(name, task, engine, "scripted", concurrency=concurrency, options={"load": load})


class EmptyStore:
    """A store to which nothing was downloaded."""

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Find nothing."""
        return None


class ScriptedCatalog:
    """Models by name; `needed` overrides their size, `missing` names those whose files are not there."""

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
        """All of them."""
        return list(self._models.values())

    def set_options(self, name: str, **options: Any) -> None:
        """Let the model be loaded with other options the next time."""
        self._models[name] = replace(self._models[name], options=options)

    def resolve(self, name: str, task: Task) -> Model:
        """Know exact names, for any task."""
        if name not in self._models:
            raise UnknownModel(name, self._models)
        return self._models[name]

    def folders(self, model: Model) -> Mapping[str, Path]:
        """One folder where it was given, else no files at all."""
        if model.name in self.missing:
            raise ModelMissing(model.name, 5 * MEGABYTE, f"senses pull {model.name}")
        return {"model": self._model_folder} if self._model_folder else {}

    def is_present(self, model: Model) -> bool:
        """Unless it is missing."""
        return model.name not in self.missing

    def broken_reason(self, model: Model) -> str:
        """None is."""
        return ""

    def is_default(self, model: Model) -> bool:
        """The first one."""
        return model.name == next(iter(self._models))

    def weights_bytes(self, model: Model) -> int:
        """Something."""
        return MEGABYTE

    def needed_bytes(self, model: Model) -> int:
        """As given, else little."""
        return self._needed_bytes.get(model.name, 50 * MEGABYTE)

    def working_bytes(self, request: Request, model: Model) -> int:
        """Nothing."""
        return 0

    def voices(self, model: Model) -> tuple[str, ...]:
        """Only speech models have them."""
        return ("alma", "otto") if model.task is Task.SPEECH else ()

    def languages(self, model: Model) -> tuple[str, ...]:
        """Only speech models have them."""
        return ("en",) if model.task is Task.SPEECH else ()

    def abilities(self, model: Model) -> tuple[str, ...]:
        """None."""
        return ()


class FakeClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def skip_validation(request: Request, model: Model, folders: Mapping[str, Path]) -> None:
    """Check nothing."""


_preexisting_pids: set[int] = set()
"""Child processes that were there before the runtime under test."""


def living_workers() -> list[psutil.Process]:
    """The living worker processes of the runtime under test."""
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
    """A runtime that ticks quickly and has little patience with processes."""
    _preexisting_pids.clear()
    _preexisting_pids.update(child.pid for child in psutil.Process().children())
    options: dict[str, Any] = {"tick_seconds": 0.02, "stop_timeouts": SHORT_STOP_TIMEOUTS} | overrides
    async with Runtime(catalog, settings, validate=validate, **options) as runtime:
        yield runtime
