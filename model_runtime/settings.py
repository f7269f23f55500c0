"""Settings, parsed once from `config.toml` and `SENSES_*` variables and passed down frozen.

`SENSES_HOME` keeps everything of one instance in one folder; without it the platform's own folders are used.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import platformdirs

from model_runtime.errors import SensesError

APP_NAME = "Senses"
DEFAULT_PORT = 7367


class SettingsError(SensesError):
    """A setting cannot be used; the message names it, its value and what is accepted."""

    code = "bad_settings"


@dataclass(frozen=True, slots=True)
class InstanceFolders:
    """Where one instance keeps its things. Sockets and locks are in `run`."""

    config: Path
    data: Path
    run: Path
    logs: Path
    artifacts: Path
    inbox: Path

    @classmethod
    def from_home(cls, home: Path) -> "InstanceFolders":
        """Everything of one instance in one folder."""
        return cls(home, home, home / "run", home / "logs", home / "artifacts", home / "inbox")

    @classmethod
    def from_platform(cls) -> "InstanceFolders":
        """The platform's own places for this user."""
        data = platformdirs.user_data_path(APP_NAME, appauthor=False)
        return cls(
            config=platformdirs.user_config_path(APP_NAME, appauthor=False),
            data=data,
            run=data / "run",
            logs=platformdirs.user_log_path(APP_NAME, appauthor=False),
            artifacts=data / "artifacts",
            inbox=data / "inbox",
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance's settings; every field has a default that works."""

    folders: InstanceFolders
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str = ""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which clients may reach the HTTP API besides localhost, container names and numbers."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may call the HTTP API besides local pages and apps."""
    budget_bytes: int = 0
    """0: decide from the machine's memory."""
    idle_seconds: float = 300.0
    eviction: Literal["lru", "cost"] = "lru"
    """"cost" of Senses 0.1 is accepted; the daemon logs that it was removed and uses "lru"."""
    lanes: Literal["auto", "two", "exclusive", "off"] = "auto"
    """How models share the GPU: one heavy and one light at a time, one at all, or all at once; auto: by machine."""
    spare: bool = True
    """Whether one process without a model may wait with the libraries that the next load will likely need."""
    queue_per_model: int = 8
    queue_total: int = 32
    queue_seconds: float = 120.0
    load_seconds: float = 180.0
    allowed_folders: tuple[Path, ...] = ()
    """Folders that tools may read and write besides the client's own, the inbox and the artifacts."""
    allow_urls: bool = False
    keep_days: float = 30.0
    """How long results stay under the artifacts; 0: forever."""
    keep_bytes: int = 10_000_000_000
    """How much they may take; beyond it the oldest go. 0: any number."""
    tools: tuple[str, ...] = ()
    """The MCP tools that clients are offered; empty for all."""
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Aliases added or changed in config.toml, as written there."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Task → alias, overriding which model answers calls that name none."""


NUMBER_SETTINGS: Mapping[str, tuple[str, type, float, float]] = {
    "port": ("port", int, 0, 65535),
    "memory.idle_seconds": ("idle_seconds", float, -1, 1e9),
    "queue.per_model": ("queue_per_model", int, 1, 10_000),
    "queue.total": ("queue_total", int, 1, 10_000),
    "queue.seconds": ("queue_seconds", float, 1, 86_400),
    "artifacts.keep_days": ("keep_days", float, 0, 36_500),
    "load.seconds": ("load_seconds", float, 1, 86_400),
}

GIGABYTE_SETTINGS: Mapping[str, str] = {"memory.budget_gb": "budget_bytes", "artifacts.max_gb": "keep_bytes"}


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings of the instance that `environ` describes.

    Raises:
        SettingsError: a file or a value cannot be used.
    """
    home = environ.get("SENSES_HOME", "")
    folders = InstanceFolders.from_home(Path(home).expanduser().absolute()) if home else InstanceFolders.from_platform()
    raw = _flatten(_read_toml(folders.config / "config.toml"))
    raw |= {key: environ[name] for key, name in _variable_names().items() if name in environ}
    values: dict[str, Any] = {}
    for key, (name, number_type, minimum, maximum) in NUMBER_SETTINGS.items():
        if key in raw:
            values[name] = number_type(_parse_number(key, raw[key], minimum, maximum))
    for key, name in GIGABYTE_SETTINGS.items():
        if key in raw:
            values[name] = int(_parse_number(key, raw[key], 0, 4096) * 1e9)
    for key, name in (("host", "host"), ("api_key", "api_key")):
        if key in raw:
            values[name] = str(raw[key])
    for key, name in (
        ("allowed_hosts", "allowed_hosts"),
        ("allowed_origins", "allowed_origins"),
        ("mcp.tools", "tools"),
    ):
        if key in raw:
            values[name] = _parse_names(raw[key])
    if "memory.eviction" in raw:
        values["eviction"] = _parse_choice("memory.eviction", raw["memory.eviction"], ("lru", "cost"))
    if "memory.spare" in raw:
        values["spare"] = _parse_boolean("memory.spare", raw["memory.spare"])
    if "gpu.lanes" in raw:
        values["lanes"] = _parse_choice("gpu.lanes", raw["gpu.lanes"], ("auto", "two", "exclusive", "off"))
    if "files.allowed_folders" in raw:
        values["allowed_folders"] = _parse_folders(raw["files.allowed_folders"])
    if "files.allow_urls" in raw:
        values["allow_urls"] = _parse_boolean("files.allow_urls", raw["files.allow_urls"])
    defaults = raw.get("defaults", {}) | _read_default_models(environ)
    return Settings(folders, models=raw.get("models", {}), defaults=defaults, **values)


def _read_default_models(environ: Mapping[str, str]) -> dict[str, str]:
    """Task → alias: `defaults.vision` is SENSES_DEFAULTS_VISION."""
    prefix = "SENSES_DEFAULTS_"
    return {name.removeprefix(prefix).lower(): alias for name, alias in environ.items() if name.startswith(prefix)}


def _variable_names() -> dict[str, str]:
    """Setting → variable: `memory.idle_seconds` is SENSES_MEMORY_IDLE_SECONDS."""
    keys = [
        *NUMBER_SETTINGS,
        *GIGABYTE_SETTINGS,
        "memory.eviction",
        "memory.spare",
        "gpu.lanes",
        "host",
        "api_key",
        "allowed_hosts",
        "allowed_origins",
        "files.allowed_folders",
        "files.allow_urls",
        "mcp.tools",
    ]
    return {key: "SENSES_" + key.upper().replace(".", "_") for key in keys}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Correct the file or move it away.") from error


def _flatten(table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict) and key not in ("models", "defaults"):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    return flat


def _parse_number(key: str, value: Any, minimum: float, maximum: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not minimum <= number <= maximum:
        raise SettingsError(f"{key} is {value!r}; it must be a number from {minimum:g} to {maximum:g}.")
    return number


def _parse_choice(key: str, value: Any, accepted: tuple[str, ...]) -> str:
    if value not in accepted:
        raise SettingsError(f"{key} is {value!r}; it must be one of {', '.join(accepted)}.")
    return str(value)


def _parse_boolean(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "0", "false", "no"):
        return str(value).lower() in ("1", "true", "yes")
    raise SettingsError(f"{key} is {value!r}; it must be true or false.")


def _parse_folders(value: Any) -> tuple[Path, ...]:
    names = value if isinstance(value, list) else str(value).split(":")
    return tuple(Path(name).expanduser().absolute() for name in names if name)


def _parse_names(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else str(value).split(",")
    return tuple(str(name).strip() for name in names if str(name).strip())
