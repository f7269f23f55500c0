"""`senses models`: a table of the models."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mcp_server.cli.table import align_columns
from model_runtime.catalog.builtin_models import SHIPPED_MODELS
from model_runtime.catalog.catalog import create_catalog, has_apple_gpu
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

if TYPE_CHECKING:
    from model_runtime.hub.newer import NewerCommit

HEADER = ("Model", "Task", "Size", "Status or command", "Description")


ModelRow = tuple[Model, ModelInfo]
"""One model of the table, and what the disk holds of it."""


def models_text(settings: Settings) -> str:
    """Return the table of all models and the note below it."""
    return f"{models_table(model_rows(settings))}\n\n{default_note(apple_gpu=has_apple_gpu())}"


def models_json(settings: Settings) -> list[dict[str, Any]]:
    """Return all models."""
    return [
        {"name": model.name, "task": model.task, "size_bytes": info.weights_bytes, "present": info.present}
        | {"default": info.default, "status": availability(model, info)}
        | {"description": model.description, "broken_reason": info.broken_reason}
        for model, info in model_rows(settings)
    ]


def model_rows(settings: Settings) -> list[ModelRow]:
    """Return every model of the catalog."""
    catalog = create_catalog(settings, HubCache(hub_folder(os.environ)))
    return [(model, catalog.info(model)) for model in catalog.models()]


def models_table(models: Sequence[ModelRow]) -> str:
    """Return a header and one line per model."""
    rows = [
        (
            model.name + ("*" if info.default else ""),
            model.task,
            format_bytes(info.weights_bytes),
            availability(model, info),
            info.broken_reason or model.description,
        )
        for model, info in models
    ]
    return align_columns([HEADER, *rows])


def find_newer(settings: Settings) -> "list[NewerCommit]":
    """Return the downloaded models that have a newer version.

    Raises:
        PullFailed: Hugging Face cannot be reached, or refuses an answer.
    """
    from model_runtime.hub.newer import newer_commits

    cache = HubCache(hub_folder(os.environ))
    return newer_commits(create_catalog(settings, cache).models(), cache)


def newer_json(settings: Settings) -> list[dict[str, Any]]:
    """Return the downloaded models that have a newer version.

    Raises:
        PullFailed: Hugging Face cannot be reached, or refuses an answer.
    """
    return [asdict(one) for one in find_newer(settings)]


def newer_text(settings: Settings) -> str:
    """Return which downloaded models have a newer version, and the commands that take it and go back.

    Raises:
        PullFailed: Hugging Face cannot be reached, or refuses an answer.
    """
    newer = find_newer(settings)
    if not newer:
        return "No downloaded model has a newer version."
    header = ("Model", "Repository", "In use", "Newest", "Command")
    rows = [
        (one.model, one.repo, one.commit[:7], one.newest[:7], f"senses pull {one.model} --version newest")
        for one in newer
    ]
    back = "Nothing changes by itself. `senses pull MODEL --version shipped` goes back; Senses is tested with that one."
    return f"{align_columns([header, *rows])}\n\n{back}"


def availability(model: Model, info: ModelInfo) -> str:
    """Return where a model is, or the command that downloads it."""
    if info.broken_reason:
        return "broken"
    if info.present:
        return "built in" if model in SHIPPED_MODELS else "downloaded"
    return "not in this build" if model in SHIPPED_MODELS else f"senses pull {model.name}"


def default_note(*, apple_gpu: bool) -> str:
    """Return the explanation of the star."""
    if apple_gpu:
        return "* Default: serves calls of its task that name no model, once it is downloaded."
    return (
        "* Default: serves calls of its task that name no model. This machine has no Apple GPU, so the defaults are\n"
        "  the built-in starter models. They need no download and know only coloured shapes, numbers and a few dozen "
        "words."
    )
