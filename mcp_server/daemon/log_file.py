"""The log file of a daemon that a person starts: the one that a shim starts writes its stderr there."""

import io
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcp_server.launcher.connect import rotate_log
from model_runtime.atomic_file import open_private
from model_runtime.log_format import LOG_FORMAT, OneLineFormatter

logger = logging.getLogger(__name__)


class LogFileHandler(logging.StreamHandler[io.TextIOWrapper]):
    """Writes to the log file; what a full disk refuses is in the terminal all the same."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing, where logging would print a traceback for each line."""


@contextmanager
def logging_to_file(path: Path, stderr: int = 2) -> Generator[None]:
    """Log to this file, too, within the block; if that is impossible, say so and go on.

    If `stderr`, a descriptor, is that file already, as under a service manager, nothing is written twice.
    """
    try:
        file = None if _is_open_as(path, stderr) else _open(path)
    except OSError as error:
        logger.warning("Nothing is logged to %s: %s", path, error.strerror)
        file = None
    if file is None:
        yield
        return
    handler = LogFileHandler(file)
    handler.setFormatter(OneLineFormatter(LOG_FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):
            file.close()


def _open(path: Path) -> io.TextIOWrapper:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    rotate_log(str(path))
    return io.TextIOWrapper(open_private(path, "ab"), encoding="utf-8", errors="replace", line_buffering=True)


def _is_open_as(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
