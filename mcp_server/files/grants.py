"""Folders that a person grants to clients while Senses runs, as files in the state folder.

The folder is the only index: a grant that `senses folders` adds or removes is valid for the next file that the daemon
opens, and nothing has to be locked. Each change is a line of a log that only this user can read.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from mcp_server.files.secret_folders import is_secret
from model_runtime.atomic_file import PRIVATE, open_private, write_atomically
from model_runtime.errors import InvalidInput
from model_runtime.settings import InstanceFolders

logger = logging.getLogger(__name__)

Access = Literal["read", "write"]
EVERY_CLIENT = ""
HTTP_CLIENTS = "http"
"""The name of all clients that come over HTTP: what they call themselves is only their word."""
LOG_NAME = "folders.log"


@dataclass(frozen=True, slots=True)
class FolderGrant:
    """A client may read a folder, or read and write it."""

    client: str
    """The name that the client reports, `HTTP_CLIENTS` or `EVERY_CLIENT`."""
    access: Access
    folder: Path
    """With every link resolved."""
    granted_at: float
    """Seconds since the epoch."""

    @property
    def id(self) -> str:
        """A short name: the same for the same client, access and folder."""
        return hashlib.sha256(json.dumps([self.client, self.access, str(self.folder)]).encode()).hexdigest()[:12]

    def allows(self, client: str, access: Access) -> bool:
        """Return whether it lets the client of this name do this."""
        return self.client in (EVERY_CLIENT, client) and self.access in (access, "write")


class FolderGrantStore:
    """The grants of one instance. Every method blocks on the disk."""

    def __init__(self, folders: InstanceFolders) -> None:
        self.folder = folders.data / "folders"
        self._log = folders.logs / LOG_NAME

    def all(self) -> list[FolderGrant]:
        """Return the grants, oldest first; files that are none are skipped."""
        grants = [grant for path in self._paths() if (grant := _read(path))]
        return sorted(grants, key=lambda grant: (grant.granted_at, grant.id))

    def add(self, client: str, access: Access, folder: Path) -> FolderGrant:
        """Grant a folder, whose links are resolved, and return the grant.

        Raises:
            InvalidInput: the folder holds secrets.
            OSError: the grant cannot be kept.
        """
        if is_secret(folder, Path.home().resolve()):
            raise InvalidInput(secret_text(folder), param="folder", code="secret_folder")
        grant = FolderGrant(client, access, folder, time.time())
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(grant.id), TypeAdapter(FolderGrant).dump_json(grant), mode=PRIVATE)
        self.log("granted", client, access, folder)
        return grant

    def revoke(self, grant: FolderGrant) -> None:
        """Withdraw a grant; do nothing if that has happened already.

        Raises:
            OSError: its file cannot be deleted.
        """
        self._path(grant.id).unlink(missing_ok=True)
        self.log("revoked", grant.client, grant.access, grant.folder)

    def log(self, event: str, client: str, access: Access, folder: Path) -> None:
        """Add a line to the log: when, what, who, which folder."""
        fields = (time.strftime("%Y-%m-%dT%H:%M:%S%z"), event, client or "every client", access, str(folder))
        try:
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open_private(self._log, "ab") as file:
                file.write(json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._log, error.strerror)

    def _paths(self) -> Iterable[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.suffix == ".json"]
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("The granted folders in %s cannot be read: %s", self.folder, error.strerror)
            return []

    def _path(self, grant_id: str) -> Path:
        return self.folder / f"{grant_id}.json"


def _read(path: Path) -> FolderGrant | None:
    try:
        grant = TypeAdapter(FolderGrant).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None  # it has just been revoked
    except (OSError, ValidationError) as error:
        logger.warning("%s is no grant of a folder: %s", path, type(error).__name__)
        return None
    return grant if grant.id == path.stem else None


def secret_text(folder: Path) -> str:
    """Return the refusal of a folder that no question grants."""
    return (
        f"{folder} may hold keys, mail, passwords or other private data, or a folder below it may: nobody can grant it "
        "here. Copy the file elsewhere, or name a folder below it."
    )
