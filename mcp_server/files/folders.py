"""Which files a granted folder shows. Pure: the paths are resolved already."""

from dataclasses import dataclass
from pathlib import Path

from mcp_server.files.grants import Access, FolderGrant
from mcp_server.files.secret_folders import is_temporary_items, shows_screenshot
from mcp_server.files.spelling import normalize_spelling


@dataclass(frozen=True, slots=True)
class FolderWish:
    """A folder that a call needs and that its client may not use yet; a person can grant it."""

    access: Access
    folder: Path
    """With every link resolved."""


@dataclass(frozen=True, slots=True)
class GrantedFolder:
    """A folder that a client may use, as its user spells it."""

    path: Path
    is_clients: bool
    """Files are opened with the client's rights; otherwise the folder is the daemon's own."""
    grant: FolderGrant | None = None
    """What a person granted while Senses runs, and may withdraw; None: it is the client's own, or configured."""


@dataclass(frozen=True, slots=True)
class AllowedPath:
    """A path with every link resolved, and the granted folder that shows it."""

    path: Path
    folder: GrantedFolder
    root: Path
    """The path of `folder` with every link resolved."""
    was_seen: bool = True
    """The daemon may look at it; otherwise a part of the path may still be a link."""


def shows(folder: Path, path: Path, home: Path) -> bool:
    """Return whether a granted folder shows a file: no hidden one, and none in Library of the user's home.

    A folder that is itself in Library, such as the inbox on a Mac, shows its files. macOS's folder of temporary items
    shows only screenshots.
    """
    folder, path, home = normalize_spelling(folder), normalize_spelling(path), normalize_spelling(home)
    if not path.is_relative_to(folder) or any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    if is_temporary_items(folder):
        return path != folder and shows_screenshot(folder, path)
    libraries = (home / "Library", home / "library")
    return not any(path.is_relative_to(library) and not folder.is_relative_to(library) for library in libraries)


def is_above(folder: Path, home: Path) -> bool:
    """Return whether a folder holds the whole home."""
    folder, home = normalize_spelling(folder), normalize_spelling(home)
    return folder != home and home.is_relative_to(folder)
