"""config.toml as written: its values by key, and the line of each."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from model_runtime.errors import SettingsError

KeyPath = tuple[str, ...]
"""Names of the nested tables and the key: ("memory", "budget_gb")."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The text and the parsed tables of one config.toml; both are empty if the file does not exist."""

    name: str
    source: str
    tree: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Read the file at `path`.

        Raises:
            SettingsError: the file cannot be read or is not TOML.
        """
        try:
            source = path.read_text(encoding="utf-8")
            return cls(path.name, source, tomllib.loads(source))
        except FileNotFoundError:
            return cls(path.name, "", {})
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(f"{path} cannot be read: {error}. Correct the file or move it away.") from error

    def locate(self, path: KeyPath) -> str:
        """Return the file, line and key of a value: "config.toml line 4: memory.budget_gb"."""
        return f"{self.name} line {line_of(path, self.source)}: {dotted(path)}"


def dotted(path: KeyPath) -> str:
    """Return a path as TOML writes a dotted key: `models."my 7b".path`."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path)


def line_of(path: KeyPath, source: str) -> int:
    """Return the number of the line on which the statement that first names `path` starts; 1 if none does."""
    lines = source.split("\n")
    start = 1
    # tomllib reports no lines, so longer and longer beginnings of the file are parsed: one that ends inside a
    # statement is not TOML, and the first one that contains the path ends with the statement that names it.
    for count in range(1, len(lines) + 1):
        try:
            reduce(getitem, path, tomllib.loads("\n".join(lines[:count])))
        except tomllib.TOMLDecodeError:
            continue
        except (KeyError, TypeError):
            start = count + 1
        else:
            return start
    return 1


def flatten(table: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value below `table` with its path. An empty section is the value {}."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, (*path, key))
        else:
            yield (*path, key), value
