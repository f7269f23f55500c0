"""The table of settings: each field of `Settings` is a row with its default, key, kind and description.

The keys of config.toml, the variables and `docs/settings.md` are derived from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from model_runtime.requests import Task
from model_runtime.settings.folders import InstanceFolders
from model_runtime.settings.kinds import (
    ALIAS,
    FILE,
    FOLDERS,
    KEEP_ALIVE,
    NAMES,
    SECRET,
    SWITCH,
    TEXT,
    Kind,
    choice,
    gigabytes,
    megabytes,
    number,
    whole_number,
)

T = TypeVar("T")
PREFIX = "SENSES_"
"""Start of every variable's name."""
NAME = "NAME"
"""Placeholder for the alias in the keys of `MODEL_SETTINGS`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `field` is the attribute of `Settings` that holds the value, "" for an entry of a mapping."""

    key: str
    kind: Kind[Any]
    description: str
    field: str = ""
    default: object = None
    is_live: bool = False
    """Whether a running daemon takes a change up."""

    @property
    def variable(self) -> str:
        """Variable that overrides config.toml, such as SENSES_MEMORY_IDLE_SECONDS; "" for the keys of an alias."""
        return "" if self.key.startswith("models.") else PREFIX + self.key.upper().replace(".", "_")


def row(default: T, key: str, kind: Kind[T], description: str, *, is_live: bool = False) -> T:
    """Declare a field of `Settings` as a row of the table."""
    metadata = {"key": key, "kind": kind, "description": description, "is_live": is_live}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one instance. Every field but `folders` has a default that works."""

    folders: InstanceFolders
    port: int = row(7367, "port", whole_number(0, 65535), "Port of the HTTP server; 0 takes a free one.")
    host: str = row("127.0.0.1", "host", TEXT, "Address of the HTTP server; any but this machine's needs `api_key`.")
    api_key: str = row(
        "", "api_key", SECRET, "Key that clients of the HTTP API send as a bearer token or as `x-api-key`."
    )
    tls_cert: str = row(
        "",
        "tls_cert",
        FILE,
        "Certificate of the HTTP server, in PEM format with its chain; with `tls_key` it serves HTTPS.",
    )
    tls_key: str = row("", "tls_key", FILE, "Private key of `tls_cert`, in PEM format without a password.")
    allowed_hosts: tuple[str, ...] = row(
        (),
        "allowed_hosts",
        NAMES,
        "Host names besides localhost, containers', IP addresses and, with `api_key`, this machine's own.",
    )
    allowed_origins: tuple[str, ...] = row(
        (), "allowed_origins", NAMES, "Web origins that may call the HTTP API besides local pages and apps."
    )
    memory_budget_bytes: int = row(
        0,
        "memory.budget_gb",
        gigabytes(4096),
        "Memory for all models; 0 takes what the machine can spare.",
        is_live=True,
    )
    idle_seconds: float = row(
        300.0,
        "memory.idle_seconds",
        number(-1, 1e9),
        "How long an unused model stays in memory while the machine is awake; -1 sets no limit.",
        is_live=True,
    )
    eviction_policy: Literal["lru", "cost"] = row(
        "lru", "memory.eviction", choice("lru", "cost"), "Only `lru`; `cost` of Senses 0.1 is accepted and means `lru`."
    )
    keep_spare_worker: bool = row(
        True,
        "memory.spare",
        SWITCH,
        "Whether a process imports the libraries of the likely next load (100 to 200 MB).",
        is_live=True,
    )
    decode_bytes: int = row(
        512_000_000, "memory.decode_mb", megabytes(64, 65_536), "Memory for decoding pictures and sound; more waits."
    )
    gpu_lanes: Literal["auto", "two", "exclusive", "off"] = row(
        "auto",
        "gpu.lanes",
        choice("auto", "two", "exclusive", "off"),
        "Models on the GPU at once: `two` (heavy and light), `exclusive` (one), `off` (all), `auto` (`two` on Apple GPUs).",
    )
    keep_awake: bool = row(
        True, "power.keep_awake", SWITCH, "Whether a Mac does not sleep by itself while requests or downloads run."
    )
    queue_per_model: int = row(
        200, "queue.per_model", whole_number(1, 10_000), "How many requests wait for one model.", is_live=True
    )
    queue_total: int = row(
        500, "queue.total", whole_number(1, 10_000), "How many requests wait altogether.", is_live=True
    )
    max_queue_bytes: int = row(
        512_000_000,
        "queue.max_gb",
        gigabytes(4096),
        "Size of all waiting requests; one may always wait. 0 is no limit.",
        is_live=True,
    )
    queue_timeout_seconds: float = row(
        120.0, "queue.seconds", number(1, 86_400), "How much longer than estimated a request waits.", is_live=True
    )
    load_timeout_seconds: float = row(
        180.0, "load.seconds", number(1, 86_400), "How long a load may make no progress.", is_live=True
    )
    max_answer_tokens: int = row(
        0,
        "chat.max_tokens",
        whole_number(0, 1_000_000),
        "Tokens of an answer without a limit; 0 fills the context.",
        is_live=True,
    )
    allowed_folders: tuple[Path, ...] = row(
        (), "files.allowed_folders", FOLDERS, "Folders of all clients besides their own, the inbox and the artifacts."
    )
    model_folders: tuple[Path, ...] = row(
        (),
        "files.model_folders",
        FOLDERS,
        "Folders whose subfolders are models, such as LM Studio's ~/.lmstudio/models.",
    )
    allow_urls: bool = row(False, "files.allow_urls", SWITCH, "Whether tools fetch media from the public web.")
    image_provenance: bool = row(
        True,
        "images.provenance",
        SWITCH,
        "Whether pictures say in their metadata what they were drawn from: prompt, model, seed, steps.",
        is_live=True,
    )
    artifact_keep_days: float = row(
        30.0,
        "artifacts.keep_days",
        number(0, 36_500),
        "How long results, and the answers of ended calls, stay; 0 sets no limit.",
        is_live=True,
    )
    max_artifact_bytes: int = row(
        10_000_000_000,
        "artifacts.max_gb",
        gigabytes(4096),
        "Space of all results before the oldest go; 0 is no limit.",
        is_live=True,
    )
    mcp_tools: tuple[str, ...] = row((), "mcp.tools", NAMES, "MCP tools that clients are offered; none means all.")
    model_tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Alias → its table `[models.NAME]` as written, with the keys of `MODEL_SETTINGS`."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Task → the alias that answers calls that name no model."""


MODEL_SETTINGS = (
    Setting("models.NAME.path", TEXT, "Folder of the model's files; Senses detects its task and engine."),
    Setting("models.NAME.repo", TEXT, "Hugging Face repository of the model, instead of `path`."),
    Setting("models.NAME.revision", TEXT, "Branch, tag or commit of `repo`; without it, `main`."),
    Setting("models.NAME.task", choice(*Task), "Task of the model of `repo`; a built-in alias has one already."),
    Setting(
        "models.NAME.engine",
        TEXT,
        "Library for `repo`: mlx-vlm, mlx-lm, mlx-whisper, mlx-audio, mflux or mlx-vlm-embedding.",
    ),
    Setting("models.NAME.description", TEXT, "Description of the model of `repo` in lists of models."),
    Setting(
        "models.NAME.keep_alive", KEEP_ALIVE, "How long the model stays after a request; see `memory.idle_seconds`."
    ),
)
"""Keys of the tables of config.toml that describe aliases."""

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        *(
            Setting(field=each.name, default=each.default, **each.metadata)
            for each in fields(Settings)
            if each.metadata
        ),
        *(Setting(f"defaults.{task}", ALIAS, f"Model that answers calls for {task} that name none.") for task in Task),
        *MODEL_SETTINGS,
    )
}
"""Key → its row."""

OTHER_VARIABLES: Mapping[str, str] = {
    "SENSES_HOME": "Folder that keeps everything of one instance: settings, state, locks, socket, logs, artifacts.",
    "SENSES_MCP": "Path of `senses-mcp`, for the extension that desktop apps start.",
}
"""Variables that are not settings → their description."""
