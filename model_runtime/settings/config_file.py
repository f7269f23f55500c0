"""config.toml as written: its values by key, and where each is."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.settings.errors import SettingsError

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What one config.toml says; a missing file says nothing."""

    name: str
    source: str
    tree: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Return the file at `path`.

        Raises:
            SettingsError: it cannot be read, or is not TOML.
        """
        try:
            source = path.read_text(encoding="utf-8")
            return cls(path.name, source, tomllib.loads(source))
        except FileNotFoundError:
            return cls(path.name, "", {})
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(f"{path} cannot be read: {error}. Correct the file or move it away.") from error

    def values(self) -> Iterator[tuple[KeyPath, Any]]:
        """Yield every value with its path; an empty section is one."""
        yield from _values((), self.tree)

    def place(self, path: KeyPath) -> str:
        """Return where the value at `path` is, and its key: "config.toml line 4: memory.budget_gb"."""
        return f"{self.name} line {line_of(path, self.source)}: {dotted(path)}"


def dotted(path: KeyPath) -> str:
    """Return a path as TOML writes a key."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path)


def _values(path: KeyPath, table: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _values((*path, key), value)
        else:
            yield (*path, key), value


def line_of(path: KeyPath, source: str) -> int:
    """Return the line on which the statement that first names `path` begins; 1 where none does.

    tomllib reports no lines. The path appears with the first whole statement that names it, so ever longer beginnings
    of the file are parsed; one that ends inside a statement is no TOML.
    """
    lines = source.split("\n")
    begin = 1
    for count in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(tree, path):
            return begin
        begin = count + 1
    return 1


def _has(tree: object, path: KeyPath) -> bool:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True
