"""Puts the bundle for desktop apps together: the manifest, the icon and the program that hands over to Senses.

Run: `make bundle`, which packs the folder into `dist/senses.mcpb`.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("manifest.json", "icon.png", "server/start.py")


def build(folder: Path) -> None:
    """Fill a folder with what the bundle holds."""
    (folder / "server").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(HERE / name, folder / name)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
