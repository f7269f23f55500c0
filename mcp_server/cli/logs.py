"""`senses logs`: the last lines of the daemon's log, and with -f those that follow."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from model_runtime.errors import InvalidInput

POLL_SECONDS = 0.2


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log.

    Raises:
        InvalidInput: there is no log.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        raise InvalidInput(f"There is no log at {path}. Each daemon writes one when it starts.") from None


def follow(path: Path, wait: Callable[[], None] = lambda: time.sleep(POLL_SECONDS)) -> Iterator[str]:
    """Yield each line that is written from now on, without end; a log that is replaced or emptied is read from its start.

    Raises:
        OSError: the log cannot be read.
    """
    file = path.open(encoding="utf-8", errors="replace")
    file.seek(0, os.SEEK_END)
    try:
        rest = ""
        while True:
            if read := file.readline():
                rest += read
                if rest.endswith("\n"):
                    yield rest.rstrip("\n")
                    rest = ""
                continue
            if _is_replaced(path, file.fileno(), file.tell()):
                file.close()
                file, rest = path.open(encoding="utf-8", errors="replace"), ""
                continue
            wait()
    finally:
        file.close()


def _is_replaced(path: Path, descriptor: int, position: int) -> bool:
    """Return whether another file has the log's name, or the same one is shorter than what was read."""
    try:
        now, opened = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False  # the next daemon makes it
    return (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) or now.st_size < position
