"""Read the settings of one instance: defaults, then config.toml, then variables."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from model_runtime.settings.config_file import ConfigFile, KeyPath, dotted
from model_runtime.settings.errors import SettingsError
from model_runtime.settings.folders import InstanceFolders
from model_runtime.settings.table import SETTINGS, Setting, Settings
from model_runtime.settings.unknown import check_variables, general, is_section, no_section, unknown_key


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings of the instance that `environ` describes.

    Raises:
        SettingsError: a file or a value cannot be used, or a key or variable is unknown.
    """
    check_variables(environ)
    folders = InstanceFolders.of_environment(environ)
    config = ConfigFile.read(folders.config / "config.toml")
    given = _from_file(config, environ) | _from_variables(environ)
    values = {SETTINGS[key].field: value for key, value in given.items() if not key.startswith("defaults.")}
    defaults = {key.removeprefix("defaults."): value for key, value in given.items() if key.startswith("defaults.")}
    return Settings(folders, model_tables=config.tree.get("models", {}), defaults=defaults, **values)


def _from_file(config: ConfigFile, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return key → value of what no variable overrides; what is said of models is checked and left as written."""
    given: dict[str, Any] = {}
    for path, written in config.values():
        setting = _setting(path, written, config)
        if setting is None or setting.variable in environ:
            continue
        value = _parsed(setting, written, partial(config.place, path))
        if setting.field != "models":
            given[setting.key] = value
    return given


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: _parsed(setting, environ[setting.variable], partial(str, setting.variable))
        for key, setting in SETTINGS.items()
        if setting.variable in environ
    }


def _setting(path: KeyPath, value: object, config: ConfigFile) -> Setting | None:
    """Return the row of a path, None for an empty section; raises `SettingsError` for any other path."""
    setting = SETTINGS.get(dotted(general(path)))
    if setting is None and not is_section(path):
        raise unknown_key(path, config.place(path))
    if setting is None and value != {}:
        raise no_section(path, config.place(path), value)
    return setting


def _parsed(setting: Setting, written: object, place: Callable[[], str]) -> Any:
    try:
        return setting.kind.parse(written)
    except (TypeError, ValueError) as error:
        shown = "not usable" if setting.kind.is_secret else repr(written)
        raise SettingsError(f"{place()} is {shown}. It must be {setting.kind.accepted}.") from error
