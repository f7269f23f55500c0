"""Explain why the folder or a file of a model cannot be used. Disks come and go: every call looks again."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from model_runtime.catalog.builtin_models import OCR_DETECTOR, OCR_ENGINE, OCR_RECOGNIZER
from model_runtime.catalog.checkpoint_files import read_config, weight_files
from model_runtime.catalog.detect import IMAGE_ENGINE, detect_model
from model_runtime.catalog.foreign_files import InvalidCheckpoint, is_there, list_files
from model_runtime.catalog.model import Model
from model_runtime.catalog.voices import require_voices
from model_runtime.catalog.weight_file import WEIGHT_SUFFIXES, read_weight_file
from model_runtime.errors import InvalidInput
from model_runtime.requests import Task
from model_runtime.settings import dotted


def broken_reason(model: Model) -> str:
    """Return why the folder of a local model cannot be used and what to do, or "" if it can."""
    if not model.path:
        return ""
    if problem := folder_problem(Path(model.path)):
        return f"{model.name}: {model.path} {problem}. {_remedy(model)}"
    return "" if model.engine else _detection_error(model)


def file_problem(model: Model, folders: Mapping[str, Path]) -> str:
    """Return why a file of a model cannot be used and what to do, or "" if all can. Reads headers, never weights."""
    if model.engine == OCR_ENGINE:
        missing = [name for name in (OCR_DETECTOR, OCR_RECOGNIZER) if not is_there(folders["model"] / name)]
        return f"{folders['model']} has no {missing[0]}. {_remedy(model)}" if missing else ""
    try:
        _check_configuration(model, folders["model"])
        weights = list(_weight_files(model, folders["model"]))
    except InvalidCheckpoint as error:
        return str(error)
    if not weights:
        return str(InvalidCheckpoint(folders["model"], "has no weights"))
    weights += [file for role, folder in folders.items() if role != "model" for file in _all_weights(folder)]
    return next((problem for file in weights if (problem := read_weight_file(file).problem)), "")


def _check_configuration(model: Model, folder: Path) -> None:
    """Check the small files of a model.

    Raises:
        InvalidCheckpoint: a file is missing or cannot be used.
    """
    if model.engine != IMAGE_ENGINE:
        read_config(folder)
    if model.task is not Task.SPEECH:
        return
    voices = require_voices(folder)
    if not (voices.names and voices.languages):
        raise InvalidCheckpoint(folder, "has no voices" if voices.languages else "names no languages")


def _weight_files(model: Model, folder: Path) -> Sequence[Path]:
    """Return the files of weights that the engine loads."""
    if model.task in {Task.VISION, Task.TEXT, Task.EMBEDDING}:
        return weight_files(folder)
    if model.task is Task.SPEECH:
        return [*weight_files(folder), *_all_weights(folder)]
    return _all_weights(folder)


def _all_weights(folder: Path) -> Sequence[Path]:
    return list_files(folder, WEIGHT_SUFFIXES)


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
    except ValueError as error:  # a NUL in the path
        return f"cannot be read ({error})"


def _detection_error(model: Model) -> str:
    """Return why no engine supports the folder of a model, or "" if one does now."""
    try:
        detect_model(model.name, Path(model.path))
    except (InvalidInput, OSError) as error:
        return str(error)
    return ""


def _remedy(model: Model) -> str:
    if model.starter or model.engine == OCR_ENGINE:
        return "Install Senses again."
    return f"Put the model back there or change models.{dotted((model.name,))}.path in config.toml."
