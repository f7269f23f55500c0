"""The answers of calls, on the disk: for a call that is repeated, and for `get_job` after the end of a daemon.

An answer is the file `<name>.json`; its name is the key of a call or the id of a job. What belongs to it has a name that
begins with `<name>.`. Retention deletes the old ones.
"""

import json
import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from model_runtime.atomic_file import PRIVATE, write_atomically

logger = logging.getLogger(__name__)

FOLDER_NAME = "answers"
"""In the folder of the instance's state."""
MAX_ANSWERS = 64
"""Repeats come within seconds, and a client asks for its job within minutes; an answer holds up to 700 kB of previews."""


class AnswerStore:
    """Keeps the last `MAX_ANSWERS` answers in `folder`. Every method but `in` blocks on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._names: dict[str, None] = {}
        """Oldest first."""

    def open(self) -> None:
        """Find the answers of earlier daemons."""
        paths = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        self._names = dict.fromkeys(path.stem for path in paths)

    def __contains__(self, name: str) -> bool:
        """Return whether an answer of this name is kept."""
        return name in self._names

    def save(self, name: str, content: dict[str, Any], *, replaces: bool = True) -> None:
        """Keep an answer, and drop the oldest ones; unless it `replaces` another one, only if there is none of this name.

        While the disk is full it is not kept.
        """
        with self._lock:
            if not replaces and name in self._names:
                return
            if not write_kept(self.folder / f"{name}.json", json.dumps(content).encode()):
                return
            self._names[name] = None
            for old in list(self._names)[:-MAX_ANSWERS]:
                self._delete(old)

    def load(self, name: str) -> dict[str, Any] | None:
        """Return an answer, or None if none of this name is kept."""
        with suppress(OSError, ValueError):
            content: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_bytes())
            return content
        return None

    def delete(self, name: str) -> None:
        """Delete an answer and what belongs to it."""
        with self._lock:
            self._delete(name)

    def _delete(self, name: str) -> None:
        self._names.pop(name, None)
        for path in self.folder.glob(f"{name}.*"):
            path.unlink(missing_ok=True)


def write_kept(path: Path, data: bytes) -> bool:
    """Write a file that nobody misses while the disk is full; return whether it is there. Blocks on the disk."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, data, mode=PRIVATE)
    except OSError as error:
        logger.warning("%s cannot be written: %s", path, error.strerror)
        return False
    return True
