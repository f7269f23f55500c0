"""Say why a file cannot be opened or written, and what a person can do."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mcp_server.files.file_calls import FILE_TIMEOUT_SECONDS

OWN_PROGRAM = os.path.realpath(sys.executable)
"""The program of this process, by which macOS knows its rights."""


def explain(error: OSError, inbox: Path, programs: Iterable[str]) -> str:
    """Return the reason of an error and what to do, as sentences.

    `programs` are those that were denied.
    """
    if isinstance(error, TimeoutError):
        return (
            f"there is no answer within {FILE_TIMEOUT_SECONDS:.0f} s. Its disk hangs, or macOS waits for someone to "
            f"answer a dialog on this Mac: answer it and try again, or use a file in {inbox}."
        )
    if not isinstance(error, PermissionError):
        return f"{error.strerror or error}."
    if sys.platform != "darwin":
        return f"{error.strerror or error}. Copy the file to {inbox}, or change the permissions of the file."
    names = " and ".join(dict.fromkeys(filter(None, programs)))
    return (
        f"macOS does not permit it. Use a file in {inbox}, which needs no permission. Or allow {names}, and the app "
        "that started it if that is a Terminal, in System Settings › Privacy & Security › Files and Folders, or in "
        "Full Disk Access there, and reconnect."
    )


def outside_text(address: str, verb: str, folders: Sequence[Path], inbox: Path, config: Path) -> str:
    """Return the refusal of a path outside the client's `folders`; it does not depend on whether the file exists."""
    client_folders = ", ".join(map(str, folders)) or "none of its own"
    return (
        f"{address} is not in a folder that this client may {verb} (hidden files never are). "
        f"The client's folders: {client_folders}. Copy the file to {inbox}, or add its folder to "
        f"files.allowed_folders in {config} and restart Senses."
    )
