"""Models and default models of config.toml."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_runtime.catalog.builtin_models import OCR_ENGINE
from model_runtime.catalog.detect import CONCURRENCY_BY_TASK, detect_model
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact
from model_runtime.errors import InvalidInput
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.requests import Task
from model_runtime.settings import Settings, SettingsError

log = logging.getLogger(__name__)


def configured_models(settings: Settings, known: Mapping[str, Model]) -> dict[str, Model]:
    """Return alias → model of the tables `[models.NAME]`, which may change the built-in models in `known`.

    A local model whose folder is missing or unsupported has the engine "".

    Raises:
        SettingsError: a table lacks a key, or a value cannot be used.
    """
    tables = settings.model_tables.items()
    return {alias: _configured(alias, table, known.get(alias), settings) for alias, table in tables}


def check_defaults(settings: Settings, models: Mapping[str, Model]) -> None:
    """Check that every default model exists and supports its task. One of a model folder may be missing: disks go.

    Raises:
        SettingsError: the task or alias does not exist, or the model does not support the task.
    """
    for task, alias in settings.defaults.items():
        if task in set(Task) and alias not in models and settings.model_folders:
            log.warning("defaults.%s is %r, which no model folder holds now; another model answers.", task, alias)
            continue
        if task not in set(Task) or alias not in models:
            raise SettingsError(
                f"defaults.{task} is {alias!r}; tasks are {', '.join(Task)}, models are {', '.join(models)}."
            )
        model = models[alias]
        if model.engine and not does_task(model, Task(task)):
            able = ", ".join(other.name for other in models.values() if does_task(other, Task(task)))
            raise SettingsError(
                f"defaults.{task} is {alias!r}, which supports {model.task}. Models for {task}: {able}."
            )


def does_task(model: Model, task: Task) -> bool:
    """Return whether a model supports `task`. Vision and text models both accept chats, one that only reads does not."""
    is_chat = {model.task, task} == {Task.VISION, Task.TEXT} and model.engine != OCR_ENGINE
    return model.task is task or is_chat


def _configured(alias: str, table: Mapping[str, Any], known: Model | None, settings: Settings) -> Model:
    model = _local(alias, table, known, settings) if "path" in table else _remote(alias, table, known)
    if "keep_alive" not in table:
        return model
    try:
        return replace(model, keep_alive_seconds=parse_keep_alive(table["keep_alive"]))
    except ValueError as error:
        raise SettingsError(f"models.{alias}.keep_alive is {table['keep_alive']!r}: {error}.") from error


def _local(alias: str, table: Mapping[str, Any], known: Model | None, settings: Settings) -> Model:
    """Return the model in a folder; if it cannot be detected, one without an engine and with the most likely task."""
    folder = _expand_home(Path(str(table["path"])))
    try:
        return detect_model(alias, folder)
    except (InvalidInput, OSError, ValueError):
        tasks = [task for task, name in settings.defaults.items() if name == alias and task in set(Task)]
        likely_task = known.task if known else next(iter(tasks), Task.TEXT)
        task = Task(table.get("task", likely_task))
        return Model(alias, task, "", f"Local model in {folder.name}", path=str(folder))


def _expand_home(path: Path) -> Path:
    """Return the path with its `~` replaced; unchanged if there is no such user, so that it does not exist."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _remote(alias: str, table: Mapping[str, Any], known: Model | None) -> Model:
    """Return the model of `repo`. `task` and `engine` default to those of the built-in model with this alias."""
    name = f"models.{alias}"
    if "repo" not in table:
        if known is not None and "keep_alive" in table:
            return known
        raise SettingsError(f"{name} needs either `path` or `repo`.")
    task, engine = table.get("task", known and known.task), table.get("engine", known and known.engine)
    if task not in set(Task) or not engine:
        raise SettingsError(f"{name} needs `task` ({', '.join(Task)}) and `engine` (mlx-vlm, mlx-lm, mlx-whisper, …).")
    artifact = ModelArtifact("model", str(table["repo"]), str(table.get("revision", "main")), DEFAULT_PATTERNS, 0)
    description, concurrency = str(table.get("description", artifact.repo)), CONCURRENCY_BY_TASK.get(Task(task), 1)
    return Model(alias, Task(task), str(engine), description, (artifact,), concurrency=concurrency)
