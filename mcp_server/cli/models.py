"""`senses models`: a table of the models."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_server.cli.table import align_columns
from model_runtime.catalog.builtin_models import SHIPPED_MODELS
from model_runtime.catalog.catalog import create_catalog, has_apple_gpu
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

HEADER = ("Model", "Task", "Size", "Status or command", "Description")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the table."""

    name: str
    task: str
    description: str
    present: bool
    """Whether the weights are on this disk."""
    size_bytes: int
    default: bool
    """Whether it serves calls of its task that name no model."""
    shipped: bool
    """Whether it is installed with Senses."""
    broken_reason: str = ""
    """Why its folder cannot be used; empty if it can."""


def models_text(settings: Settings) -> str:
    """Return the table of all models and the note below it."""
    return f"{models_table(model_rows(settings))}\n\n{default_note(apple_gpu=has_apple_gpu())}"


def model_rows(settings: Settings) -> list[ModelRow]:
    """Return every model of the catalog."""
    catalog = create_catalog(settings, HubCache(hub_folder(os.environ)))
    return [
        ModelRow(
            name=model.name,
            task=str(model.task),
            description=model.description,
            present=catalog.is_present(model),
            size_bytes=catalog.weights_bytes(model),
            default=catalog.is_default(model),
            shipped=model in SHIPPED_MODELS,
            broken_reason=catalog.broken_reason(model) or catalog.file_problem(model),
        )
        for model in catalog.models()
    ]


def models_table(models: Sequence[ModelRow]) -> str:
    """Return a header and one line per model."""
    rows = [
        (
            model.name + ("*" if model.default else ""),
            model.task,
            format_bytes(model.size_bytes),
            availability(model),
            model.broken_reason or model.description,
        )
        for model in models
    ]
    return align_columns([HEADER, *rows])


def availability(model: ModelRow) -> str:
    """Return where a model is, or the command that downloads it."""
    if model.present:
        return "built in" if model.shipped else "downloaded"
    if model.broken_reason:
        return "broken"
    return "not in this build" if model.shipped else f"senses pull {model.name}"


def default_note(*, apple_gpu: bool) -> str:
    """Return the explanation of the star."""
    if apple_gpu:
        return "* Default: serves calls of its task that name no model, once it is downloaded."
    return (
        "* Default: serves calls of its task that name no model. This machine has no Apple GPU, so the defaults are\n"
        "  the built-in starter models. They need no download and know only coloured shapes, numbers and a few dozen "
        "words."
    )
