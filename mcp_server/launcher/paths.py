"""Where one instance keeps its socket, locks and logs. Standard library only: the shim starts in milliseconds with it.

`model_runtime.settings.Folders` says the same through platformdirs; a test holds the two together.
"""

import os
import sys
from collections.abc import Mapping

VERSION = "0.2.0"
PROTOCOL_VERSION = 1
"""The major version of the talk between shim and daemon; part of the socket's name."""
MAX_SOCKET_PATH_BYTES = 100
"""macOS takes 104 bytes with the closing NUL, Linux 108."""


class InstancePaths:
    """The files of the instance that `environ` describes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = environ.get("SENSES_HOME", "")
        if home:
            root = os.path.abspath(os.path.expanduser(home))  # noqa: PTH100, PTH111
            self.run_folder, self.logs_folder = root + "/run", root + "/logs"
        else:
            self.run_folder, self.logs_folder = _platform_folders(environ)
        self.socket_path = _socket_path(self.run_folder)
        self.instance_lock = self.run_folder + "/life.lock"
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
    # the daemon binds <path>.<pid> first
    if len(os.fsencode(path)) + 8 <= MAX_SOCKET_PATH_BYTES:
        return path
    import hashlib  # its OpenSSL costs the shim 4 MB and 7 ms

    name = hashlib.sha256(os.fsencode(run_folder)).hexdigest()[:16]
    return f"/tmp/senses-{os.getuid()}/{name}-d{PROTOCOL_VERSION}.sock"  # noqa: S108


def ensure_private_folder(folder: str) -> None:
    """Make a folder for this user only; raises `PermissionError` where it is someone else's or a link."""
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    folder_stat = os.lstat(folder)
    if folder_stat.st_uid != os.getuid() or (folder_stat.st_mode & 0o170000) != 0o040000:
        raise PermissionError(f"{folder} belongs to another user or is a link; remove it and try again.")
    if folder_stat.st_mode & 0o077:
        os.chmod(folder, 0o700)  # noqa: PTH101
