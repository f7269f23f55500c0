"""Which folder a question names, and which folders no question may grant. Pure: all paths are resolved already.

A folder with keys, mail or the profile of a browser is one of a person's secrets; one above it would show it, too. On
macOS most of them are in ~/Library, elsewhere most are hidden.
"""

from collections.abc import Iterable
from pathlib import Path

from mcp_server.files.spelling import normalize_spelling

TEMPORARY_ITEMS = Path("T", "TemporaryItems")
"""The end of the path of a folder in which programs of a Mac keep files for a while: /var/folders/…/T/TemporaryItems."""
SCREENSHOT_PREFIX = "NSIRD_screencaptureui_"
"""macOS keeps a screenshot that is dragged out of its thumbnail in a new folder of this name in TemporaryItems."""
CLAUDE_CODE_IMAGES = Path(".claude", "image-cache")
"""Below the home: Claude Code keeps pictures that are pasted into a chat here, in a folder for each session."""
CLOUD_DRIVES = (Path("Library", "Mobile Documents", "com~apple~CloudDocs"), Path("Library", "CloudStorage"))
"""Below the home: documents, although they are in ~/Library."""
HOME_SECRETS = tuple(map(Path, ("Library", "Maildir", "Mail", "mail", "snap")))
REMOVABLE_DRIVES = Path("/run/media")
SYSTEM_SECRETS = tuple(
    map(
        Path,
        (
            *("/etc", "/root", "/proc", "/sys", "/dev", "/run", "/boot", "/bin", "/sbin", "/lib", "/usr"),
            *("/var/lib", "/var/log", "/var/spool", "/var/mail", "/var/db", "/var/root", "/private/etc"),
            *("/private/var/db", "/private/var/root", "/private/var/log", "/System", "/Library", "/Applications"),
        ),
    )
)


def folder_to_ask_for(path: Path, home: Path) -> Path:
    """Return the folder that a question about the file at `path` names: its own, or what holds all folders of its kind.

    Every screenshot of macOS and every session of Claude Code has a folder of its own.
    """
    for folder in path.parents:
        if is_temporary_items(folder) and shows_screenshot(folder, path):
            return folder
    images = home / CLAUDE_CODE_IMAGES
    return images if path.is_relative_to(images) else path.parent


def is_temporary_items(folder: Path) -> bool:
    """Return whether a folder is macOS's folder of temporary items, in which only screenshots may be seen."""
    return [part.casefold() for part in folder.parts[-2:]] == [part.casefold() for part in TEMPORARY_ITEMS.parts]


def shows_screenshot(folder: Path, path: Path) -> bool:
    """Return whether a path in the folder of temporary items is that of a screenshot."""
    return path.relative_to(folder).parts[0].casefold().startswith(SCREENSHOT_PREFIX.casefold())


def is_secret(folder: Path, home: Path) -> bool:
    """Return whether a folder holds secrets, or a folder below it may: no question grants it."""
    folder, home = normalize_spelling(folder), normalize_spelling(home)
    if home.is_relative_to(folder):
        return True
    if not folder.is_relative_to(home):
        return _is_hidden(folder) or (_is_within(folder, SYSTEM_SECRETS) and not _is_within(folder, [REMOVABLE_DRIVES]))
    folder = folder.relative_to(home)
    if _is_within(folder, [CLAUDE_CODE_IMAGES]):
        return False
    return _is_hidden(folder) or (_is_within(folder, HOME_SECRETS) and not _is_within(folder, CLOUD_DRIVES))


def _is_hidden(folder: Path) -> bool:
    return any(part.startswith(".") for part in folder.parts)


def _is_within(folder: Path, others: Iterable[Path]) -> bool:
    return any(folder.is_relative_to(normalize_spelling(other)) for other in others)
