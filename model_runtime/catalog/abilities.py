"""What a model can do besides its task."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.builtin_models import OCR_ENGINE
from model_runtime.catalog.detect import GROUNDING_TASKS, OCR_TASKS, supports_grounding
from model_runtime.catalog.image_families import EDIT_ABILITY, can_edit
from model_runtime.catalog.model import Model
from model_runtime.catalog.tool_formats import TOOL_ABILITY, tool_format_of
from model_runtime.requests import Task


def read_abilities(model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the abilities of a model in single words. `folders` are empty if it is missing."""
    if model.engine == OCR_ENGINE:
        return OCR_TASKS
    if model.task is Task.IMAGE:
        return (EDIT_ABILITY,) if not model.starter and folders and can_edit(model, folders["model"]) else ()
    is_real_vision = model.task is Task.VISION and not model.starter
    can_ground = is_real_vision and bool(folders) and supports_grounding(folders["model"])
    can_call = tool_format_of(model, folders) is not None
    return (*(GROUNDING_TASKS if can_ground else ()), *([TOOL_ABILITY] if can_call else ()))
