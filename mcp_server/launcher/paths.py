"""Paths of an instance's socket, locks and log. Standard library only, so that the shim starts in milliseconds.

`model_runtime.settings.InstanceFolders` derives the same folders with platformdirs; a test compares the two.
"""

import os
import sys
from collections.abc import Mapping

VERSION = "0.2.0"
PROTOCOL_VERSION = 1
"""The version of the protocol between shim and daemon; part of the socket's name."""
MAX_SOCKET_PATH_BYTES = 100
"""`sun_path` has 104 bytes with the closing NUL on macOS, 108 on Linux (unix(4), unix(7))."""


class InstancePaths:
    """The files of the instance that the environment variables select."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = environ.get("SENSES_HOME", "")
        if home:
            root = os.path.abspath(os.path.expanduser(home))  # noqa: PTH100, PTH111
            self.run_folder, self.logs_folder = root + "/run", root + "/logs"
        else:
            self.run_folder, self.logs_folder = _platform_folders(environ)
        self.socket_path = _socket_path(self.run_folder)
        self.instance_lock = self.run_folder + "/life.lock"  # daemons of every version must lock the same file
        self.start_lock = self.run_folder + "/start.lock"
        self.daemon_json = self.run_folder + "/daemon.json"
        self.log_file = self.logs_folder + "/daemon.log"


def _platform_folders(environ: Mapping[str, str]) -> tuple[str, str]:
    home = os.path.expanduser("~")  # noqa: PTH111
    if sys.platform == "darwin":
        data = _absolute_or_empty(environ, "XDG_DATA_HOME") or home + "/Library/Application Support"
        return data + "/Senses/run", home + "/Library/Logs/Senses"
    data = _absolute_or_empty(environ, "XDG_DATA_HOME") or home + "/.local/share"
    state = _absolute_or_empty(environ, "XDG_STATE_HOME") or home + "/.local/state"
    return data + "/Senses/run", state + "/Senses/log"


def _absolute_or_empty(environ: Mapping[str, str], name: str) -> str:
    folder = environ.get(name, "")
    return folder.rstrip("/") if folder.startswith("/") else ""


def _socket_path(run_folder: str) -> str:
    path = f"{run_folder}/d{PROTOCOL_VERSION}.sock"
    # the daemon first binds <path>.<pid>; a pid has at most 7 digits
    if len(os.fsencode(path)) + 8 <= MAX_SOCKET_PATH_BYTES:
        return path
    import hashlib  # only here: its OpenSSL costs the shim 4 MB and 7 ms

    name = hashlib.sha256(os.fsencode(run_folder)).hexdigest()[:16]
    return f"/tmp/senses-{os.getuid()}/{name}-d{PROTOCOL_VERSION}.sock"  # noqa: S108


def ensure_private_folder(folder: str) -> None:
    """Make a folder that only this user can enter.

    Raises:
        PermissionError: the folder belongs to another user, or is a link.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    folder_stat = os.lstat(folder)
    if folder_stat.st_uid != os.getuid() or (folder_stat.st_mode & 0o170000) != 0o040000:
        raise PermissionError(f"{folder} belongs to another user or is a link; remove it and try again.")
    if folder_stat.st_mode & 0o077:
        os.chmod(folder, 0o700)  # noqa: PTH101
