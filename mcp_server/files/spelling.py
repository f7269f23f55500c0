"""One spelling for paths that a system takes for the same."""

import sys
import unicodedata
from pathlib import Path


def normalize_spelling(path: Path) -> Path:
    """Return one spelling of a path: macOS ignores case, and whether accents or Hangul are composed."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold()) if sys.platform == "darwin" else path
