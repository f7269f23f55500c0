"""Each setting as people see it: what is in force, where it came from, and whether it can be changed while Senses runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model_runtime.settings.config_file import ConfigFile, KeyPath, dotted, flatten
from model_runtime.settings.table import MODEL_SETTINGS, SETTINGS, Setting, Settings

DEFAULT = "default"
SECRET = "(set)"  # noqa: S105 - what stands in place of one
GUARDED = ("host", "api_key", "tls_", "allowed_hosts", "allowed_origins", "files.")
"""Keys, and beginnings of keys, that decide who may do what: only a person who writes config.toml changes them."""


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting. `value` is None for a secret; else it is what config.toml would hold, `shown` the same as text."""

    key: str
    value: Any
    shown: str
    default: str
    source: str
    """ "default", a line of config.toml, or a variable."""
    accepted: str
    description: str
    editable: bool
    """Whether it can be changed on the page."""
    why_not: str
    pending: str
    """What the next start will use in place of it; "" if nothing else."""


def setting_values(
    in_force: Settings, at_start: Settings, loaded: Settings, config: ConfigFile, environ: Mapping[str, str]
) -> list[SettingValue]:
    """Return every setting but those of aliases.

    `loaded` is what `config` and `environ` say at present, `at_start` what they said when the daemon started.
    """
    written = {dotted(path): path for path, _ in flatten(config.tree)}
    aliases = {row.key for row in MODEL_SETTINGS}
    return [
        _setting_value(row, in_force, at_start, loaded, source_of(row, config, written.get(key), environ), environ)
        for key, row in SETTINGS.items()
        if key not in aliases
    ]


def _setting_value(
    row: Setting, in_force: Settings, at_start: Settings, loaded: Settings, source: str, environ: Mapping[str, str]
) -> SettingValue:
    value, why_not = value_of(row, in_force), why_not_editable(row, environ)
    is_pending = not row.is_live and value_of(row, loaded) != value_of(row, at_start)
    return SettingValue(
        key=row.key,
        value=None if row.kind.is_secret else row.kind.write(value) if row.field else value,
        shown=shown(row, value),
        default=shown(row, row.default if row.field else ""),
        source=source,
        accepted=row.kind.accepted,
        description=row.description,
        editable=not why_not,
        why_not=why_not,
        pending=shown(row, value_of(row, loaded)) if is_pending else "",
    )


def value_of(row: Setting, settings: Settings) -> Any:
    """Return the value of a setting."""
    return getattr(settings, row.field) if row.field else settings.defaults.get(row.key.removeprefix("defaults."), "")


def shown(row: Setting, value: Any) -> str:
    """Return a value as text; of a secret only whether there is one."""
    if row.kind.is_secret:
        return SECRET if value else "none"
    return row.kind.show(value) if row.field else str(value)


def source_of(row: Setting, config: ConfigFile, path: KeyPath | None, environ: Mapping[str, str]) -> str:
    """Return where the value of a setting came from; `path` is None if config.toml does not have it."""
    if row.variable in environ:
        return row.variable
    return line_name(config, path) if path else DEFAULT


def line_name(config: ConfigFile, path: KeyPath) -> str:
    """Return the line of a value: "config.toml line 4"."""
    return config.locate(path).partition(":")[0]


def why_not_editable(row: Setting, environ: Mapping[str, str]) -> str:
    """Return why a setting cannot be changed while Senses runs, as a sentence; "" if it can."""
    if row.key.startswith(GUARDED):
        return "It decides who may do what: only config.toml changes it."
    if not row.is_live:
        return "Senses reads it when it starts: change it in config.toml."
    return f"The variable {row.variable} overrides config.toml." if row.variable in environ else ""


def changed_fields(rows: Iterable[Setting], before: Settings, after: Settings) -> dict[str, Any]:
    """Return the fields of live settings that differ, with their new values."""
    return {
        row.field: value_of(row, after)
        for row in rows
        if row.field and row.is_live and value_of(row, before) != value_of(row, after)
    }
