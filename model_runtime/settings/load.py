"""Load the settings of one instance: defaults, overridden by config.toml, overridden by variables."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from model_runtime.errors import SettingsError
from model_runtime.settings.config_file import ConfigFile, KeyPath, dotted, flatten
from model_runtime.settings.folders import InstanceFolders
from model_runtime.settings.table import MODEL_SETTINGS, NAME, OTHER_VARIABLES, PREFIX, SETTINGS, Setting, Settings


def load_settings(environ: Mapping[str, str], folders: InstanceFolders | None = None) -> Settings:
    """Load the settings of the instance that `environ` describes, or of that in `folders`.

    Raises:
        SettingsError: config.toml or a value cannot be used, or a key or variable is unknown.
    """
    _check_variables(environ)
    folders = folders or InstanceFolders.of_environment(environ)
    config = ConfigFile.read(folders.config / "config.toml")
    values = _values_of_file(config, environ)
    for row in [row for row in SETTINGS.values() if row.variable in environ]:
        values[row.key] = _parse(row, environ[row.variable], partial(str, row.variable))
    fields = {SETTINGS[key].field: value for key, value in values.items() if SETTINGS[key].field}
    defaults = {key.removeprefix("defaults."): value for key, value in values.items() if not SETTINGS[key].field}
    return Settings(folders, model_tables=config.tree.get("models", {}), defaults=defaults, **fields)


def _values_of_file(config: ConfigFile, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return key → value for every key that no variable overrides. The keys of aliases are checked only."""
    rows = _rows(config)
    values: dict[str, Any] = {}
    for path, written in flatten(config.tree):
        setting = rows.get(dotted(path))
        if setting is None:
            _check_section(path, written, config, rows)
        elif setting.variable not in environ:
            value = _parse(setting, written, partial(config.locate, path))
            if setting.variable:
                values[setting.key] = value
    return values


def _rows(config: ConfigFile) -> dict[str, Setting]:
    """Return key → row of every setting, and of the keys of the aliases in `config`."""
    tables = config.tree.get("models")
    aliases = [dotted((alias,)) for alias in tables] if isinstance(tables, dict) else []
    return SETTINGS | {row.key.replace(NAME, alias): row for alias in aliases for row in MODEL_SETTINGS}


def _parse(setting: Setting, written: object, locate: Callable[[], str]) -> Any:
    try:
        return setting.kind.parse(written)
    except (LookupError, TypeError, ValueError) as error:
        shown = "not usable" if setting.kind.is_secret else repr(written)
        raise SettingsError(f"{locate()} is {shown}. It must be {setting.kind.accepted}.") from error


def _check_variables(environ: Mapping[str, str]) -> None:
    known = {setting.variable for setting in SETTINGS.values() if setting.variable} | OTHER_VARIABLES.keys()
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise SettingsError(f"{name} is unknown. {_suggest(name, known, PREFIX)}")


def _check_section(path: KeyPath, value: object, config: ConfigFile, known: Iterable[str]) -> None:
    """Raise `SettingsError` unless `path`, which is not a key, is an empty section."""
    section = dotted(path) + "."
    inside = [key for key in known if key.startswith(section)]
    if not inside:
        shared = dotted(path[:2]) + "." if path[0] == "models" and len(path) > 2 else ""
        raise SettingsError(f"{config.locate(path)} is unknown. {_suggest(dotted(path), known, shared)}")
    if value != {}:
        raise SettingsError(f"{config.locate(path)} is {value!r}. It must be a section with {', '.join(inside)}.")


def _suggest(name: str, known: Iterable[str], shared: str) -> str:
    """Suggest the known name with the same last part, or else the most similar one; all of them start with `shared`."""
    from difflib import get_close_matches  # imported here because only this error needs it

    candidates = sorted(candidate for candidate in known if candidate.startswith(shared))
    last = name.rpartition(".")[2]
    same_end = [candidate for candidate in candidates if candidate.rpartition(".")[2] == last]
    ends = [candidate.removeprefix(shared) for candidate in candidates]
    nearest = same_end or [shared + end for end in get_close_matches(name.removeprefix(shared), ends, n=1)]
    return f"Did you mean {nearest[0]}?" if nearest else f"Known are {', '.join(candidates)}."
