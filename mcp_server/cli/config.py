"""`senses config`: every setting with its value and where it came from; `set` changes one in config.toml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from mcp_server.cli.endings import WrongUse
from model_runtime.settings import Settings
from model_runtime.settings.config_file import ConfigFile, KeyPath, dotted, flatten
from model_runtime.settings.edit import write_setting
from model_runtime.settings.table import MODEL_SETTINGS, NAME, SETTINGS, Setting
from model_runtime.settings.values import SECRET, line_name, shown, source_of, value_of


@dataclass(frozen=True, slots=True)
class ConfiguredValue:
    """A setting as it is in force; `source` is "default", a line of config.toml, or a variable."""

    key: str
    value: str
    source: str
    description: str


def configured_values(settings: Settings, environ: Mapping[str, str]) -> list[ConfiguredValue]:
    """Return every setting, then the keys of the aliases of config.toml. A secret is not shown.

    Raises:
        SettingsError: config.toml cannot be read.
    """
    config = ConfigFile.read(settings.folders.config / "config.toml")
    written = {dotted(path): path for path, _ in flatten(config.tree)}
    values = [
        ConfiguredValue(
            key, shown(row, value_of(row, settings)), source_of(row, config, written.get(key), environ), row.description
        )
        for key, row in SETTINGS.items()
    ]
    aliases = [path for path in written.values() if path[0] == "models" and len(path) == 3]
    return values + [
        ConfiguredValue(
            dotted(path), str(reduce(getitem, path, config.tree)), line_name(config, path), _row(path).description
        )
        for path in aliases
    ]


def config_text(values: list[ConfiguredValue]) -> str:
    """Return the settings as lines like those of config.toml: the description, then key, value and source."""
    return "\n\n".join(f"# {one.description}\n{one.key} = {one.value}  # {one.source}" for one in values)


def set_setting(settings: Settings, key: str, word: str, environ: Mapping[str, str]) -> str:
    """Write a setting into config.toml, which keeps its comments, and return what happened.

    Raises:
        WrongUse: there is no such setting, or it does not accept the value.
        SettingsError: config.toml cannot be read, or not be changed without losing something of it.
        OSError: it cannot be written.
    """
    path = tuple(key.split("."))
    row = _row(path)
    value = _parsed(row, word)
    file = settings.folders.config / "config.toml"
    write_setting(file, path, value)
    written = SECRET if row.kind.is_secret else repr(value)
    overridden = f" {row.variable} overrides it now." if row.variable in environ else ""
    at_start = "Senses reads it when it starts: `senses stop` ends the running one."
    return (
        f"{key} is {written} in {file}.{overridden} {'A running Senses uses it at once.' if row.is_live else at_start}"
    )


def _row(path: KeyPath) -> Setting:
    """Return the row of a key.

    Raises:
        WrongUse: there is no such setting.
    """
    rows = {row.key: row for row in MODEL_SETTINGS} if path[0] == "models" and len(path) == 3 else SETTINGS
    key = dotted(("models", NAME, path[2]) if rows is not SETTINGS else path)
    if key not in rows:
        from difflib import get_close_matches

        near = get_close_matches(key, rows, n=1)
        raise WrongUse(
            f"There is no setting {key}. " + (f"Did you mean {near[0]}?" if near else "`senses config` lists all.")
        )
    return rows[key]


def _parsed(row: Setting, word: str) -> Any:
    """Return what TOML makes of a word, or the word itself, whichever the setting accepts.

    Raises:
        WrongUse: it accepts neither.
    """
    for value in _readings(word):
        try:
            row.kind.parse(value)
        except (LookupError, TypeError, ValueError):
            continue
        return value
    quoted = "not usable" if row.kind.is_secret else repr(word)
    raise WrongUse(f"{row.key} is {quoted}. It must be {row.kind.accepted}.")


def _readings(word: str) -> list[Any]:
    import tomllib

    try:
        return [tomllib.loads(f"value = {word}")["value"], word]
    except tomllib.TOMLDecodeError:
        return [word]
