"""Checks before every load, and error messages for a load that fails: complete files, no code from a checkpoint."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from model_runtime.catalog.checkpoint_files import read_config, read_tensors
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.errors import LoadFailed, SensesError
from model_runtime.loading import LoadSpec

MAX_REASON_CHARACTERS = 400
"""Length of a library's message inside an error message."""


def open_checkpoint(spec: LoadSpec) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of the role "model" and its config.json, after reading the headers of its tensor files.

    Raises:
        InvalidCheckpoint: a file is missing, cut short or malformed.
        LoadFailed: the checkpoint asks for its own Python code to be run.
    """
    folder = Path(spec.folders["model"])
    config = read_config(folder)
    if "model_file" in config:
        raise LoadFailed(
            f"{spec.model} asks to run its own Python file {config['model_file']!r}. Senses never runs code from a "
            "checkpoint. Choose a model that the installed libraries support."
        )
    read_tensors(folder)
    return folder, config


@contextmanager
def translate_load_errors(model_name: str, config: Mapping[str, Any]) -> Iterator[None]:
    """Turn any exception inside the block into a `LoadFailed` that says what to do next.

    Warnings of libraries are suppressed: users cannot act on them.

    Raises:
        LoadFailed: a library raised an exception. A `SensesError` and a fatal error (`is_fatal`) pass unchanged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SensesError:
        raise
    except Exception as error:
        if is_fatal(error):
            raise
        raise LoadFailed(
            f"{model_name} could not be loaded: {describe_error(error)}. {_load_error_advice(error, config)}"
        ) from error


def require_tokenizer(model_name: str, tokenizer: Tokenizer | None) -> Tokenizer:
    """Return the tokenizer.

    Raises:
        LoadFailed: it is missing or has no vocabulary.
    """
    # Libraries load an empty tokenizer if its files are missing.
    if tokenizer is None or not tokenizer.encode("a").ids:
        raise LoadFailed(
            f"{model_name} has no usable tokenizer.json. Download the model again, or choose another conversion."
        )
    return tokenizer


def describe_error(error: BaseException) -> str:
    """Return an exception as one line of bounded length."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    text = " ".join(text.split()) or type(error).__name__
    return text.rstrip(".") if len(text) <= MAX_REASON_CHARACTERS else f"{text[:MAX_REASON_CHARACTERS]} …"


def _load_error_advice(error: BaseException, config: Mapping[str, Any]) -> str:
    if isinstance(error, KeyError) or "parameters" in str(error) or "shape" in str(error):
        return "Its files do not match each other, or some are missing. Download the model again."
    if "not supported" in str(error):
        return f"The installed libraries do not support the family {config.get('model_type')!r}. Choose another model."
    if "auto_map" in config:
        return "It needs its own Python code, which Senses never runs. Choose a conversion for MLX."
    return "Choose another model, or download this one again."
