"""What commands read: texts, files, patterns of files, and standard input, whose name is "-"."""

import os
import sys
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from mcp_server.cli.endings import WrongUse

STDIN = "-"


def expand_files(names: Sequence[str]) -> list[str]:
    """Return the files that `names` mean: paths, patterns such as "*.png", "-"; without a name, standard input in a pipe.

    Raises:
        WrongUse: there is none, a file is missing, or a pattern matches nothing.
    """
    if not names and not sys.stdin.isatty():
        return [STDIN]
    if not names:
        raise WrongUse("Name a file, or send one to standard input.")
    return [file for name in names for file in _expand(name)]


def _expand(name: str) -> list[str]:
    path = os.path.expanduser(name)  # noqa: PTH111 - a pattern is no path
    if name == STDIN or Path(path).is_file():
        return [STDIN if name == STDIN else path]
    matches = glob(path, recursive=True) if has_magic(path) else []  # noqa: PTH207 - absolute patterns, too
    found = sorted(file for file in matches if Path(file).is_file())
    if not found:
        reason = "is a folder; name files, or a pattern such as" if Path(path).is_dir() else "does not exist; try"
        raise WrongUse(f'{name} {reason} "{Path(path).parent}/*".')
    return found


def read_bytes(file: str) -> bytes:
    """Return what a file or standard input holds.

    Raises:
        WrongUse: it is empty.
        OSError: the file cannot be read.
    """
    data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    if not data:
        raise WrongUse(f"{title_of(file)} is empty.")
    return data


def read_text(words: Sequence[str], files: Sequence[str], *, what: str) -> str:
    """Return the words of the command line and the texts of the files, a paragraph each; without any, standard input.

    Raises:
        WrongUse: there is no text, or a file is not text in UTF-8; `what` says what is missing.
        OSError: a file cannot be read.
    """
    if not words and not files and sys.stdin.isatty():
        raise WrongUse(f"Give {what} as an argument, with -f FILE, or on standard input.")
    names = expand_files(files) if files or not words else []
    texts = [" ".join(words), *map(_decoded, names)]
    text = "\n\n".join(filter(None, map(str.strip, texts)))
    if not text:
        raise WrongUse(f"The text is empty. Give {what}.")
    return text


def _decoded(file: str) -> str:
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(f"{title_of(file)} is not text in UTF-8.") from None


def title_of(file: str) -> str:
    """Return how messages name a file."""
    return "standard input" if file == STDIN else file
