"""How a command ends: its exit status, and one sentence on standard error instead of a traceback.

0 is success, 1 a failure, 2 a wrong use of the command line, 130 an interruption by Ctrl-C (128 + SIGINT, as shells
count).
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from model_runtime.errors import Cancelled, InvalidInput, SensesError

P = ParamSpec("P")
FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


class WrongUse(InvalidInput):
    """An argument or an option cannot be used as it is given; nothing was begun."""

    code = "wrong_use"


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Make of a command one that ends with a sentence on standard error and a status of its own, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (SensesError, OSError, KeyboardInterrupt) as error:
            message, status = ending_of(error)
            typer.echo(message, err=True)
            raise typer.Exit(status) from error

    return run


def ending_of(error: SensesError | OSError | KeyboardInterrupt) -> tuple[str, int]:
    """Return the sentence and the exit status that an error ends a command with."""
    match error:
        case KeyboardInterrupt():
            return "Stopped.", INTERRUPTED
        case Cancelled():
            return error.message, INTERRUPTED
        case WrongUse():
            return error.message, WRONG_USE
        case SensesError():
            return error.message, FAILED
        case OSError(filename=None):  # a write names no file
            return f"The output cannot be written: {error.strerror or error}.", FAILED
        case OSError():
            return f"{error.filename}: {error.strerror}.", FAILED


def run_to_end(program: Callable[[], object]) -> NoReturn:
    """Run the command line and exit. What standard output has not taken by then is a failure, too."""
    if sys.stdout is None:  # the next opened file would take its descriptor
        sys.exit("Standard output is closed. Redirect it to /dev/null to see nothing.")
    status, reason = 0, ""
    try:
        program()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else FAILED if ended.code else 0
    except OSError as error:
        reason, status = ending_of(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        reason, status = (reason, status) if status else ending_of(error)
    if reason:
        sys.stderr.write(reason + "\n")
    sys.exit(status)


def _discard_output() -> None:
    """Send what is left to the null device: Python writes it once more when it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
