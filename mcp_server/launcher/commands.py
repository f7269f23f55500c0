"""The command line of this installation, as a person types it."""

import shlex
import sys
from pathlib import Path


def absolute_senses_command() -> str:
    """Return the path of `senses` beside this Python, quoted for a shell: it is rarely on the PATH of a person."""
    return shlex.quote(str(Path(sys.executable).parent / "senses"))
