"""Which paths one call may use: those in its client's own folders, configured ones, and those that a person granted."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath

from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.files.clipboard import CLIPBOARD
from mcp_server.files.denials import Refusal, grant_command, withdrawn_text
from mcp_server.files.folder_access import FolderAccess
from mcp_server.files.folders import AllowedPath, FolderWish, GrantedFolder
from mcp_server.files.grants import Access, FolderGrant, FolderGrantStore
from mcp_server.files.lookup import FolderLookup
from mcp_server.files.secret_folders import folder_to_ask_for, is_secret
from model_runtime.errors import InvalidInput
from model_runtime.settings import InstanceFolders, Settings


@dataclass(slots=True)
class AllowedPaths:
    """Finds the granted folder that shows a path, and remembers which grants the call has used."""

    client: ClientConnection
    principal: str
    """The name for which grants are kept."""
    settings: Settings
    artifacts: ArtifactStore
    once: tuple[FolderWish, ...] = ()
    """What a person granted for this call only."""
    missing: tuple[FolderWish, ...] = ()
    """What a person has to be asked for."""
    needs_consent: bool = False
    """Whether a path of this call is in a folder that a person granted, or has to grant."""
    _looked_up: dict[tuple[Path, Access], AllowedPath] = field(default_factory=dict)
    _used: set[FolderGrant] = field(default_factory=set)

    @property
    def grants(self) -> FolderGrantStore:
        """The folders that people granted to clients of this instance."""
        return FolderGrantStore(self.settings.folders)

    def absolute(self, path: Path, param: str) -> tuple[Path, str]:
        """Return an absolute path for one that may be relative, and what the client should know of that.

        Without a working folder a relative path is in the first granted folder.

        Raises:
            InvalidInput: the path is relative, and the client comes over HTTP.
        """
        if path.is_absolute() or self.client.cwd is not None:
            return (self.client.cwd or Path("/")) / path, ""
        if self.client.over_http:
            raise InvalidInput(
                f"{path} is a relative path and this client has no working folder: pass an absolute path.",
                param=param,
            )
        base = next(iter((*self.client.folders, *self.settings.allowed_folders)), self.settings.folders.inbox)
        return base / path, f"This client has no working folder: relative paths are in {base}."

    async def find(self, path: Path, access: Access) -> AllowedPath | None:
        """Return the resolved path and the granted folder that shows it; None: no folder does.

        Raises:
            OSError: the system does not let anyone look at the path.
        """
        found = await self._find_in(self._own_folders(), path, access)
        found = found or await self._find_in(await self._granted_folders(access), path, access)
        if found is not None and found.folder.grant is not None:
            self._use(found.folder.grant)
        return found

    async def look_up(self, path: Path, access: Access) -> FolderWish | None:
        """Find a path, and keep it for `take`. Return the folder that a person would have to grant, None also if nobody can.

        Whether the file exists makes no difference.

        Raises:
            OSError: the system does not let anyone look at the path.
        """
        found = await self.find(path, access)
        if found is not None:
            self._looked_up[path, access] = found
            return None
        return await self._grantable(path, access)

    async def take(self, path: Path, access: Access) -> AllowedPath | None:
        """Return what `look_up` has found a moment ago, once, else see `find`. Whoever opens the path checks it again.

        Raises:
            OSError: the system does not let anyone look at the path.
        """
        return self._looked_up.pop((path, access), None) or await self.find(path, access)

    async def clipboard(self) -> GrantedFolder | None:
        """Return the clipboard if a person granted it, as if it were a folder."""
        granted = next((folder for folder in await self._granted("read") if folder.path == CLIPBOARD), None)
        if granted is not None and granted.grant is not None:
            self._use(granted.grant)
        return granted

    async def require_consent(self) -> None:
        """Check that everything that this call used is still granted.

        Raises:
            InvalidInput: a person has withdrawn a folder.
        """
        if not self._used:
            return
        grants = self.grants
        kept = await self.client.threads.run(grants.folder, grants.all)
        for grant in self._used.difference(kept):
            raise InvalidInput(withdrawn_text(grant), code="consent_withdrawn")

    async def refusal(self, path: Path, address: str, access: Access, param: str) -> InvalidInput:
        """Return the refusal of a path that is not allowed; it does not depend on whether the file exists.

        Raises:
            OSError: the system does not let anyone look at the path.
        """
        wish = await self._grantable(path, access)
        target, _ = await self._resolve(path, access)
        spelled = PurePath(os.path.normpath(path))  # noqa: ASYNC240 - it looks at no disk
        is_link = any(spelled.is_relative_to(folder.path) for folder in self._own_folders()) and target != spelled
        return self.refuse(wish, address, access, param, target if is_link else None)

    def refuse(
        self, wish: FolderWish | None, address: str, access: Access, param: str, link_target: Path | None = None
    ) -> InvalidInput:
        """Return the refusal of an address for which `wish` must be granted; None: nobody can."""
        folders = self.settings.folders
        state_folder = "" if folders == InstanceFolders.from_platform() else str(folders.data)
        refusal = Refusal(
            address,
            access,
            link_target,
            folders=(*self.client.folders, *self.settings.allowed_folders),
            inbox=folders.inbox,
            command=grant_command(access, wish.folder, self.principal, state_folder) if wish else "",
            was_refused=wish in self.client.refused,
            over_http=self.client.over_http,
        )
        return InvalidInput(refusal.text, param=param, code="path_not_allowed")

    async def _grantable(self, path: Path, access: Access) -> FolderWish | None:
        """Return the folder that a person can grant for a path; for a result the first missing one on the way to it."""
        resolved, home = await self._resolve(path, access)
        if access == "write":
            resolved = await self.client.threads.run(resolved.parent, partial(_in_first_missing_folder, resolved))
        folder = folder_to_ask_for(resolved, home)
        # a name that cannot be shown as it is cannot be judged
        is_grantable = str(folder).isprintable() and not resolved.name.startswith(".") and not is_secret(folder, home)
        return FolderWish(access, folder) if is_grantable else None

    async def _resolve(self, path: Path, access: Access) -> tuple[Path, Path]:
        """Return a path and the home with every link resolved; a link at a path that is written will be replaced."""
        lookup = FolderLookup((), self.client.threads)
        home = await lookup.resolve(Path.home())
        return await lookup.resolve(path) if access == "read" else await lookup.resolve(path.parent) / path.name, home

    async def _find_in(self, folders: Iterable[GrantedFolder], path: Path, access: Access) -> AllowedPath | None:
        """Find a path in some folders. What the daemon may not look at, the shim resolves."""
        lookup, follow = FolderLookup(tuple(folders), self.client.threads), access == "read"
        allowed = await lookup.find(path, follow=follow)
        if allowed is None or allowed.was_seen:
            return allowed
        resolve = FolderAccess(self.client, allowed.folder).resolve
        resolved = await resolve(allowed.path) if follow else await resolve(allowed.path.parent) / path.name
        return await lookup.find(resolved, follow=follow)

    def _own_folders(self) -> list[GrantedFolder]:
        clients = (*self.client.folders, *self.settings.allowed_folders)
        own = (self.settings.folders.inbox, *self.artifacts.folders)
        return [GrantedFolder(path, is_clients=path in clients) for path in (*clients, *own)]

    async def _granted_folders(self, access: Access) -> list[GrantedFolder]:
        return [folder for folder in await self._granted(access) if folder.path != CLIPBOARD]

    async def _granted(self, access: Access) -> list[GrantedFolder]:
        grants = self.grants
        kept = await self.client.threads.run(grants.folder, grants.all)
        return [
            *(GrantedFolder(wish.folder, is_clients=True) for wish in self.once if wish.access in (access, "write")),
            *(
                GrantedFolder(grant.folder, is_clients=True, grant=grant)
                for grant in kept
                if grant.allows(self.principal, access)
            ),
        ]

    def _use(self, grant: FolderGrant) -> None:
        self._used.add(grant)
        self.needs_consent = True


def _in_first_missing_folder(path: Path) -> Path:
    """Return the path in the topmost folder of it that is missing, or in its own; blocks on the disk."""
    folder = path.parent
    while not os.path.lexists(folder.parent):
        folder = folder.parent
    return folder / path.name
