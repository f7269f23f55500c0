"""`senses folders`: list, grant and revoke the folders that clients may use besides their own, while Senses runs."""

import os
import time
from pathlib import Path
from typing import Any

from mcp_server.cli.table import align_columns
from mcp_server.files.clipboard import CLIPBOARD
from mcp_server.files.grants import Access, FolderGrant, FolderGrantStore
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings

HEADER = ("Folder", "Access", "Client", "Granted", "Id")


def folders_text(settings: Settings) -> str:
    """Return a table of the granted folders, and those of the settings."""
    grants = FolderGrantStore(settings.folders).all()
    rows = [
        (
            str(grant.folder),
            grant.access,
            grant.client or "every client",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(grant.granted_at)),
            grant.id,
        )
        for grant in grants
    ]
    table = align_columns([HEADER, *rows]) if rows else "No folder is granted."
    fixed = ", ".join(map(str, (settings.folders.inbox, *settings.allowed_folders)))
    return f"{table}\n\nEvery client may use {fixed}, and its own folders."


def folders_json(settings: Settings) -> list[dict[str, Any]]:
    """Return the granted folders."""
    return [
        {"folder": str(grant.folder), "access": grant.access, "client": grant.client}
        | {"granted_at": grant.granted_at, "id": grant.id}
        for grant in FolderGrantStore(settings.folders).all()
    ]


def add_folder(settings: Settings, path: Path, *, access: Access, client: str) -> str:
    """Grant a folder, or the clipboard under its name, and return what it allows now.

    Raises:
        InvalidInput: there is no such folder, or it holds secrets.
        OSError: the grant cannot be kept.
    """
    folder = _resolve(path)
    if folder != CLIPBOARD and not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}. Name a folder that exists, not a file.")
    grant = FolderGrantStore(settings.folders).add(client, access, folder)
    return f"Now {_may_text(grant)}. `senses folders revoke {grant.id}` withdraws it."


def revoke_folder(settings: Settings, name: str) -> str:
    """Withdraw every grant with this id or of this folder, and return which.

    Raises:
        InvalidInput: there is none.
        OSError: a grant cannot be deleted.
    """
    grants, folder = FolderGrantStore(settings.folders), _resolve(Path(name))
    found = [grant for grant in grants.all() if name == grant.id or folder == grant.folder]
    if not found:
        raise InvalidInput(f"{name} is not granted. `senses folders` lists what is.")
    for grant in found:
        grants.revoke(grant)
    return "\n".join(f"No longer: {_may_text(grant)}." for grant in found)


def _resolve(path: Path) -> Path:
    return path if path == CLIPBOARD else Path(os.path.realpath(path.expanduser()))


def _may_text(grant: FolderGrant) -> str:
    use = "read" if grant.access == "read" else "read and write"
    return f"{grant.client or 'every client'} may {use} {grant.folder}"
