"""The aliases and defaults of config.toml as models."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_runtime.catalog.detect import detect_model
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact
from model_runtime.errors import InvalidInput
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.requests import Task
from model_runtime.settings import Settings, SettingsError


def configured_models(settings: Settings, known: Mapping[str, Model]) -> dict[str, Model]:
    """Return the models of `[models.NAME]`; `known` are the built-in ones that they may change.

    A local model without an engine is one whose folder is missing or holds no model that Senses can serve.

    Raises:
        SettingsError: an alias lacks something, or a value cannot be used.
    """
    return {
        alias: _configured(alias, written, known.get(alias), settings)
        for alias, written in settings.model_tables.items()
    }


def check_defaults(defaults: Mapping[str, str], models: Mapping[str, Model]) -> None:
    """Refuse defaults that no call could use.

    Raises:
        SettingsError: there is no such task or alias, or the model does something else.
    """
    for task, alias in defaults.items():
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
    """Whether a model takes calls for `task`; a vision model also takes chats of text only."""
    return model.task is task or {model.task, task} == {Task.VISION, Task.TEXT}


def _configured(alias: str, written: Mapping[str, Any], known: Model | None, settings: Settings) -> Model:
    model = _local(alias, written, known, settings) if "path" in written else _remote(alias, written, known)
    if "keep_alive" not in written:
        return model
    try:
        return replace(model, keep_alive_seconds=parse_keep_alive(written["keep_alive"]))
    except ValueError as error:
        raise SettingsError(f"models.{alias}.keep_alive is {written['keep_alive']!r}: {error}.") from error


def _local(alias: str, written: Mapping[str, Any], known: Model | None, settings: Settings) -> Model:
    """Return the model in a folder; where that cannot be detected, one without an engine and with a likely task."""
    folder = Path(str(written["path"])).expanduser()
    try:
        return detect_model(alias, folder)
    except (InvalidInput, OSError):
        wanted = next(
            (task for task, name in settings.defaults.items() if name == alias and task in set(Task)), Task.TEXT
        )
        task = Task(written.get("task", known.task if known else wanted))
        return Model(alias, task, "", f"Local model in {folder.name}", path=str(folder))


def _remote(alias: str, written: Mapping[str, Any], known: Model | None) -> Model:
    """Return the model of `repo`; `task` and `engine` are needed where no built-in model has them."""
    name = f"models.{alias}"
    if "repo" not in written:
        if known is not None and "keep_alive" in written:
            return known
        raise SettingsError(f"{name} needs either `path` or `repo`.")
    task, engine = written.get("task", known and known.task), written.get("engine", known and known.engine)
    if task not in set(Task) or not engine:
        raise SettingsError(f"{name} needs `task` ({', '.join(Task)}) and `engine` (mlx-vlm, mlx-lm, mlx-whisper, …).")
    artifact = ModelArtifact("model", str(written["repo"]), str(written.get("revision", "main")), DEFAULT_PATTERNS, 0)
    return Model(alias, Task(task), str(engine), str(written.get("description", artifact.repo)), (artifact,))
