"""Take out of npm's lock files what names hosts and installs nothing: who may be paid for a package."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Rewrite the lock files in the folders that are named."""
    for folder in sys.argv[1:]:
        path = Path(folder) / "package-lock.json"
        lock = json.loads(path.read_text(encoding="utf-8"))
        for facts in lock["packages"].values():
            facts.pop("funding", None)
        path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
