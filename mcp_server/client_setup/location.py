"""Whether macOS lets a desktop app start Senses from the folder where it is.

Privacy (TCC) asks before an app opens ~/Desktop, ~/Documents, ~/Downloads or a cloud folder. Claude Desktop starts its
servers without its own rights, so Python may not read even its own files there.
"""

import shlex
import sys
import unicodedata
from pathlib import Path, PurePath

PRIVATE_FOLDERS = ("Desktop", "Documents", "Downloads", "Library/Mobile Documents", "Library/CloudStorage")
"""Below the home; iCloud Drive is in Mobile Documents, other cloud drives are in CloudStorage."""
CHECKOUT = Path(__file__).parents[2]
"""The folder that holds the packages: the checkout, or the site-packages of an installed wheel."""


def location_warning(folder: PurePath, home: PurePath) -> str:
    """Return a sentence on why Claude Desktop may not start Senses in `folder` and where to move it; else "".

    Both paths are absolute and without links.
    """
    private = next(
        (name for name in PRIVATE_FOLDERS if _comparable(folder).is_relative_to(_comparable(home / name))), ""
    )
    if not private:
        return ""
    move = f"mv {shlex.quote(str(folder))} ~/senses && cd ~/senses && make setup"
    return f"macOS may not let Claude Desktop start Senses inside {home / private}; type `{move}` to move it."


def current_warning() -> str:
    """Return the warning for this installation; "" on other systems."""
    return location_warning(CHECKOUT.resolve(), Path.home().resolve()) if sys.platform == "darwin" else ""


def _comparable(path: PurePath) -> PurePath:
    """Return a path as the file systems of macOS compare them."""
    return PurePath(unicodedata.normalize("NFC", str(path)).casefold())


if __name__ == "__main__":
    sys.stdout.write(f"{warning}\n" if (warning := current_warning()) else "")
