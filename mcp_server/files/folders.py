"""Which files a granted folder shows. Pure: the paths are resolved already."""

import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GrantedFolder:
    """A folder that a client may read and write, as its user spells it."""

    path: Path
    is_clients: bool
    """Files are opened with the client's rights; otherwise the folder is the daemon's own."""


@dataclass(frozen=True, slots=True)
class AllowedPath:
    """A path with every link resolved, and the granted folder that shows it."""

    path: Path
    folder: GrantedFolder
    was_seen: bool = True
    """The daemon may look at it; otherwise a part of the path may still be a link."""


def shows(folder: Path, path: Path, home: Path) -> bool:
    """Return whether a granted folder shows a file: no hidden one, and none in Library of the user's home.

    A folder that is itself in Library, such as the inbox on a Mac, shows its files.
    """
    folder, path, home = normalize_spelling(folder), normalize_spelling(path), normalize_spelling(home)
    if not path.is_relative_to(folder) or any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    libraries = (home / "Library", home / "library")
    return not any(path.is_relative_to(library) and not folder.is_relative_to(library) for library in libraries)


def is_above(folder: Path, home: Path) -> bool:
    """Return whether a folder holds the whole home."""
    folder, home = normalize_spelling(folder), normalize_spelling(home)
    return folder != home and home.is_relative_to(folder)


def normalize_spelling(path: Path) -> Path:
    """Return one spelling of a path: macOS ignores case, and whether accents or Hangul are composed."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold()) if sys.platform == "darwin" else path
