"""What commands write: files whose ending chooses the format, and standard output."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import typer

from mcp_server.calls.output_format import chosen_format
from mcp_server.cli.endings import WrongUse
from model_runtime.atomic_file import write_atomically
from model_runtime.errors import InvalidInput

FormatT = TypeVar("FormatT", bound=str)
MAX_NAME_CHARS = 60


def format_of(output: Path | None, endings: Mapping[FormatT, tuple[str, ...]], default: FormatT) -> FormatT:
    """Return the format of an output: that of the file's ending, or `default` for standard output.

    Raises:
        WrongUse: no format has this ending, or the folder of the file does not exist.
    """
    check_folder(output)
    try:
        return chosen_format("auto", str(output or ""), endings, default)
    except InvalidInput as error:
        raise WrongUse(error.message) from error


def check_folder(output: Path | None) -> None:
    """Do nothing if a file can be made at `output`, as far as its name tells.

    Raises:
        WrongUse: its folder does not exist, or it is a folder itself.
    """
    path = output.expanduser() if output else None
    if path and path.is_dir():
        raise WrongUse(f"{output} is a folder. Name a file in it.")
    if path and not path.parent.is_dir():
        raise WrongUse(f"There is no folder {path.parent}. Make it, or name another file.")


def write_output(output: Path | None, data: bytes) -> None:
    """Write a file, or standard output. A file is replaced as a whole, and whatever fails leaves it as it was.

    Raises:
        OSError: it cannot be written.
    """
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(output.expanduser(), data)
    except OSError as error:
        error.filename = str(output)  # not the partial file beside it
        raise


def numbered(output: Path, total: int) -> list[Path]:
    """Return the names of several results: fox-1.png, fox-2.png; of a single one, the name as it is."""
    if total == 1:
        return [output]
    return [output.with_stem(f"{output.stem}-{number}") for number in range(1, total + 1)]


def free_names(text: str, suffix: str, total: int) -> list[Path]:
    """Return names of files that do not exist yet, made of the words of a text: a-red-fox.png, a-red-fox-2.png."""
    words = re.sub(r"\W+", "-", text.lower()).strip("-")[:MAX_NAME_CHARS].strip("-") or "senses"
    tries = (numbered(Path(f"{words}{suffix if number == 1 else f'-{number}{suffix}'}"), total) for number in count(1))
    return next(names for names in tries if not any(name.exists() for name in names))


def print_json(document: Any) -> None:
    """Print a JSON value on one line."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def print_result(documents: Sequence[Any], text: str, *, as_json: bool) -> None:
    """Print a text for a person, or for programs a JSON value on each line."""
    if not as_json:
        typer.echo(text)
        return
    for document in documents:
        print_json(document)


def print_message(text: str, *, as_json: bool) -> None:
    """Print what was done, for programs as {"message": …}."""
    print_result([{"message": text}], text, as_json=as_json)


def print_notes(warnings: Sequence[str]) -> None:
    """Print on standard error what a person should know of a result, each sentence once."""
    for warning in dict.fromkeys(warnings):
        typer.echo(f"note: {warning}", err=True)


def needs_file(output: Path | None) -> bool:
    """Return whether a result that is no text has no place to go: a terminal shows no bytes."""
    return output is None and sys.stdout.isatty()
