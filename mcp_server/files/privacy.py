"""Only this user can read what Senses keeps: also files that an older version or another umask left readable."""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from mcp_server.files.artifacts import ArtifactKind
from mcp_server.files.grants import LOG_NAME, FolderGrantStore
from mcp_server.files.retention import find_results
from model_runtime.atomic_file import PRIVATE
from model_runtime.settings import InstanceFolders

PRIVATE_FOLDER = 0o700
STATE_FILES = ("trace.jsonl", "trace.1.jsonl", "learned.json", "history.jsonl", "clock.json")
LOG_FILES = ("daemon.log", "daemon.log.1", LOG_NAME)

logger = logging.getLogger(__name__)


def make_private(folders: InstanceFolders) -> None:
    """Make results, logs, state and their folders readable for this user only. Blocks on the disk.

    Folders and files that do not exist are skipped, and so are links and files of others; the folder of the settings
    belongs to the user.
    """
    for path in _own_folders(folders):
        _restrict(path, PRIVATE_FOLDER, stat.S_ISDIR)
    for path in _own_files(folders):
        _restrict(path, PRIVATE, stat.S_ISREG)


def _own_folders(folders: InstanceFolders) -> Iterator[Path]:
    yield from (folders.run, folders.logs, folders.artifacts, FolderGrantStore(folders).folder)
    yield from (folders.artifacts / kind for kind in ArtifactKind)


def _own_files(folders: InstanceFolders) -> Iterator[Path]:
    yield from (folders.data / name for name in STATE_FILES)
    yield from (folders.logs / name for name in LOG_FILES)
    yield from FolderGrantStore(folders).folder.glob("*.json")
    for result in find_results(folders.artifacts):
        yield from result.paths


def _restrict(path: Path, mode: int, is_expected: Callable[[int], bool]) -> None:
    try:
        path_stat = path.lstat()
        if is_expected(path_stat.st_mode) and path_stat.st_uid == os.getuid() and path_stat.st_mode & 0o077:
            path.chmod(mode)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s stays readable for others: %s", path, error.strerror)
