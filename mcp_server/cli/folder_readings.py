"""Whether macOS lets this program list the folders that people keep their files in. It keeps no name of theirs.

macOS asks the user the first time (TCC, "Files and Folders"), and the call waits for the answer.
"""

import errno
import threading
from os import scandir
from pathlib import Path

ANSWER_TIMEOUT_SECONDS = 120.0
"""How long a person may take to answer a dialog."""
ICLOUD_DRIVE = "Library/Mobile Documents/com~apple~CloudDocs"
USUAL_FOLDERS = ("Desktop", "Documents", "Downloads", "Movies", "Music", "Pictures", ICLOUD_DRIVE)


def folder_readings(home: Path, *, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS) -> dict[str, str]:
    """Return "~/folder" → "allowed", "denied (EPERM)", "absent", or that nobody answered a dialog in time."""
    return {f"~/{name}": _reading_within(home / name, timeout_seconds) for name in USUAL_FOLDERS}


def _reading_within(folder: Path, timeout_seconds: float) -> str:
    """Read in a thread of its own: while macOS shows its dialog, the call cannot be interrupted."""
    readings: list[str] = []
    reader = threading.Thread(target=lambda: readings.append(_reading(folder)), name="folder reading", daemon=True)
    reader.start()
    reader.join(timeout_seconds)
    return readings[0] if readings else f"no answer within {timeout_seconds:g} s"


def _reading(folder: Path) -> str:
    try:
        with scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        return f"denied ({errno.errorcode.get(error.errno or 0, error.errno)})"
    return "allowed"
