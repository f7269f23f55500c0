"""Where one instance keeps its socket, locks and logs. Standard library only: the shim starts in milliseconds with it.

`model_runtime.settings.Folders` says the same through platformdirs; a test holds the two together.
"""

import os
import sys
from collections.abc import Mapping

VERSION = "0.1.0"
PROTOCOL = 1
"""The major version of the talk between shim and daemon; part of the socket's name."""
SOCKET_PATH_BYTES = 100
"""macOS takes 104 bytes with the closing NUL, Linux 108."""


class Places:
    """The files of the instance that `environ` describes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = environ.get("SENSES_HOME", "")
        if home:
            root = os.path.abspath(os.path.expanduser(home))  # noqa: PTH100, PTH111
            self.run, self.logs = root + "/run", root + "/logs"
        else:
            self.run, self.logs = _platform_folders(environ)
        self.socket = _socket(self.run)
        self.life_lock = self.run + "/life.lock"
        self.start_lock = self.run + "/start.lock"
        self.facts = self.run + "/daemon.json"
        self.log = self.logs + "/daemon.log"


def _platform_folders(environ: Mapping[str, str]) -> tuple[str, str]:
    user = os.path.expanduser("~")  # noqa: PTH111
    if sys.platform == "darwin":
        data = _absolute(environ, "XDG_DATA_HOME") or user + "/Library/Application Support"
        return data + "/Senses/run", user + "/Library/Logs/Senses"
    data = _absolute(environ, "XDG_DATA_HOME") or user + "/.local/share"
    state = _absolute(environ, "XDG_STATE_HOME") or user + "/.local/state"
    return data + "/Senses/run", state + "/Senses/log"


def _absolute(environ: Mapping[str, str], name: str) -> str:
    folder = environ.get(name, "")
    return folder.rstrip("/") if folder.startswith("/") else ""


def _socket(run: str) -> str:
    path = f"{run}/d{PROTOCOL}.sock"
    # the daemon binds <path>.<pid> first
    if len(os.fsencode(path)) + 8 <= SOCKET_PATH_BYTES:
        return path
    import hashlib  # its OpenSSL costs the shim 4 MB and 7 ms

    name = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    return f"/tmp/senses-{os.getuid()}/{name}-d{PROTOCOL}.sock"  # noqa: S108


def own_folder(folder: str) -> None:
    """Make a folder for this user only; raises `PermissionError` where it is someone else's or a link."""
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    facts = os.lstat(folder)
    if facts.st_uid != os.getuid() or (facts.st_mode & 0o170000) != 0o040000:
        raise PermissionError(f"{folder} belongs to another user or is a link; remove it and try again.")
    if facts.st_mode & 0o077:
        os.chmod(folder, 0o700)  # noqa: PTH101
