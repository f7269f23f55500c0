"""Find the granted folder that shows a path, without waiting for a folder that hangs."""

import os
from dataclasses import dataclass
from pathlib import Path

import anyio

from mcp_server.files.file_calls import FileThreads
from mcp_server.files.folders import AllowedPath, GrantedFolder, shows
from mcp_server.files.spelling import normalize_spelling

FOLDER_TIMEOUT_SECONDS = 5.0
"""How long a folder elsewhere may take to be resolved; one that hangs shows no file meanwhile."""
ELSEWHERE = Path("/")


@dataclass(frozen=True, slots=True)
class FolderLookup:
    """Resolves paths in `threads` and compares them with the granted `folders`."""

    folders: tuple[GrantedFolder, ...]
    threads: FileThreads

    async def find(self, path: Path, *, follow: bool = True) -> AllowedPath | None:
        """Return an absolute path with every link resolved and the folder that shows it; None: no folder does.

        Without `follow` the last part of the path is not resolved: a link there will be replaced.

        Raises:
            TimeoutError: the path cannot be resolved within two minutes.
        """
        near = self._near(path)
        to_resolve = [path if follow else path.parent, Path.home(), *(folder.path for folder in near)]
        key = near[0].path if near else ELSEWHERE
        was_seen, (resolved, home, *near_resolved) = await self.threads.run(
            key, lambda: (_may_look_at(path), list(map(_resolve, to_resolve)))
        )
        found = resolved if follow else resolved / path.name
        for folder, folder_resolved in zip(near, near_resolved, strict=True):
            if shows(folder_resolved, found, home):
                return AllowedPath(found, folder, folder_resolved, was_seen)
        for folder in (folder for folder in self.folders if folder not in near):
            root = await self._resolve_elsewhere(folder)
            if root is not None and shows(root, found, home):
                return AllowedPath(found, folder, root, was_seen)
        return None

    async def resolve(self, path: Path) -> Path:
        """Return an absolute path with every link resolved, whether or not a folder shows it.

        Raises:
            TimeoutError: the path cannot be resolved within two minutes.
        """
        return await self.threads.run(ELSEWHERE, lambda: _resolve(path))

    def _near(self, path: Path) -> list[GrantedFolder]:
        """Return the folders that hold a path by its spelling, the nearest first; most often it shows the path."""
        spelled = normalize_spelling(Path(os.path.normpath(path)))
        near = [folder for folder in self.folders if spelled.is_relative_to(normalize_spelling(folder.path))]
        return sorted(near, key=lambda folder: len(folder.path.parts), reverse=True)

    async def _resolve_elsewhere(self, folder: GrantedFolder) -> Path | None:
        with anyio.move_on_after(FOLDER_TIMEOUT_SECONDS):
            return await self.threads.run(folder.path, lambda: _resolve(folder.path))
        return None


def _resolve(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _may_look_at(path: Path) -> bool:
    try:
        path.lstat()
    except PermissionError:
        return False
    except OSError:
        pass
    return True
