"""Explain why the folder of a local model cannot be used. Nothing is cached, because disks come and go."""

import os
from pathlib import Path

from model_runtime.catalog.detect import detect_model
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.settings import dotted


def broken_reason(model: Model) -> str:
    """Return why the folder of a local model cannot be used and what to do, or "" if it can."""
    if not model.path:
        return ""
    if problem := folder_problem(Path(model.path)):
        return f"{model.name}: {model.path} {problem}. {_remedy(model)}"
    return "" if model.engine else _detection_error(model)


def folder_problem(folder: Path) -> str:
    """Return what is wrong with `folder`, as the end of a sentence, or "" if it is a readable folder."""
    try:
        with os.scandir(folder):
            return ""
    except FileNotFoundError:
        return "does not exist"
    except NotADirectoryError:
        return "is not a folder"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _detection_error(model: Model) -> str:
    """Return why no engine supports the folder of a model, or "" if one does now."""
    try:
        detect_model(model.name, Path(model.path))
    except (InvalidInput, OSError) as error:
        return str(error)
    return ""


def _remedy(model: Model) -> str:
    if model.starter:
        return "Install Senses again."
    is_alias = Path(model.name).expanduser() != Path(model.path)
    setting = f" or change models.{dotted((model.name,))}.path in config.toml" if is_alias else ""
    return f"Put the model back there{setting}."
