"""Change one value of a TOML text and nothing else of it: comments, order and blank lines stay.

Each change is checked by parsing: the new text has the old values, and the new one in its place.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import SettingsError
from model_runtime.settings.config_file import ConfigFile, KeyPath, dotted, flatten, line_of

HEADER = re.compile(r"\s*\[")
COMMENT_OR_BLANK = re.compile(r"\s*(#.*)?$")


def set_value(config: ConfigFile, path: KeyPath, value: Any) -> str:
    """Return the text of a config.toml in which `path` has a value.

    Raises:
        SettingsError: the statement is written in a way that cannot be changed without losing something.
    """
    wanted = dict(flatten(config.tree)) | {path: value}
    lines = config.source.splitlines()
    edited = _replaced(config, lines, path, value) if path in dict(flatten(config.tree)) else None
    text = "\n".join(edited or _added(lines, path, value)) + "\n"
    if _values(text) != wanted:
        raise SettingsError(
            f"{config.locate(path)} cannot be changed without rewriting more. Edit {config.name} yourself."
        )
    return text


def remove_value(config: ConfigFile, path: KeyPath) -> str:
    """Return the text of a config.toml without the statement of `path`; its table and the comments stay.

    Raises:
        SettingsError: the statement is written in a way that cannot be removed without losing something.
    """
    lines, index = config.source.splitlines(), line_of(path, config.source) - 1
    text = "\n".join([*lines[:index], *lines[index + 1 :]]) + "\n"
    wanted = {other: value for other, value in flatten(config.tree) if other != path}
    left = _values(text)
    if left is None or {other: value for other, value in left.items() if value != {} or other in wanted} != wanted:
        raise SettingsError(
            f"{config.locate(path)} cannot be removed without rewriting more. Edit {config.name} yourself."
        )
    return text


def write_setting(file: Path, path: KeyPath, value: Any) -> None:
    """Write a value into config.toml, of which all else stays; a link is followed to the file that people edit.

    Raises:
        SettingsError: the file cannot be read, or not be changed without losing something of it.
        OSError: it cannot be written.
    """
    _write(file, set_value(ConfigFile.read(file), path, value))


def remove_setting(file: Path, path: KeyPath) -> None:
    """Remove a value from config.toml, of which all else stays; do nothing if it is not there.

    Raises:
        SettingsError: the file cannot be read, or not be changed without losing something of it.
        OSError: it cannot be written.
    """
    config = ConfigFile.read(file)
    if path in dict(flatten(config.tree)):
        _write(file, remove_value(config, path))


def _write(file: Path, text: str) -> None:
    target = file.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text.encode(), mode=PRIVATE)


def _values(text: str) -> dict[KeyPath, Any] | None:
    try:
        return dict(flatten(tomllib.loads(text)))
    except tomllib.TOMLDecodeError:
        return None


def _replaced(config: ConfigFile, lines: Sequence[str], path: KeyPath, value: Any) -> list[str]:
    """Return the lines with another value in the statement of `path`, before the comment at its end."""
    index = line_of(path, config.source) - 1
    key, _, rest = lines[index].partition("=")
    comment = next((rest[at:] for at in _hashes(rest) if _is_value(rest[:at])), "")
    gap = re.search(r"\s*$", rest.removesuffix(comment))
    spaces = gap[0] if gap and comment else ""
    return [*lines[:index], f"{key.rstrip()} = {toml_text(value)}{spaces}{comment}", *lines[index + 1 :]]


def _hashes(text: str) -> list[int]:
    return [at for at, character in enumerate(text) if character == "#"]


def _is_value(text: str) -> bool:
    return _values(f"value = {text}") is not None


def _added(lines: list[str], path: KeyPath, value: Any) -> list[str]:
    """Return the lines with a new statement: after the last one of its table, or in a new table at the end."""
    statement = f"{dotted(path[-1:])} = {toml_text(value)}"
    table = path[:-1]
    start = 0 if not table else next((at + 1 for at, line in enumerate(lines) if _opens(line, table)), None)
    if start is None:
        return [*lines, *([""] if lines else []), f"[{dotted(table)}]", statement]
    end = next((at for at in range(start, len(lines)) if HEADER.match(lines[at])), len(lines))
    while end > start and end < len(lines) and COMMENT_OR_BLANK.match(lines[end - 1]):
        end -= 1  # what stands before a header belongs to it
    return [*lines[:end], statement, *lines[end:]]


def _opens(line: str, table: KeyPath) -> bool:
    return bool(HEADER.match(line)) and _values(line) is not None and table in _tables(line)


def _tables(line: str) -> set[KeyPath]:
    return {path for path, value in flatten(tomllib.loads(line)) if value == {}}


def toml_text(value: Any) -> str:
    """Return a value as TOML writes it. JSON's texts are TOML's basic strings, as long as nothing is escaped to pairs."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_text, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
