"""The table of settings. A field of `Settings` is a row: its default, its key, what is accepted, one sentence.

Everything else is derived from it: what config.toml and the variables may hold, and `docs/settings.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from model_runtime.requests import Task
from model_runtime.settings.folders import InstanceFolders
from model_runtime.settings.kinds import (
    Kind,
    choice,
    folder_list,
    gigabytes,
    keep_alive,
    name_list,
    number,
    switch,
    text,
    whole_number,
)

PREFIX = "SENSES_"
NAME = "NAME"
"""Stands for the alias in the keys of a model: `models.NAME.path`."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `field` is the attribute of `Settings` that holds the value; `default` is None where there is none."""

    key: str
    kind: Kind[Any]
    description: str
    field: str
    default: object = None

    @property
    def variable(self) -> str:
        """The variable that overrides config.toml: `memory.idle_seconds` is SENSES_MEMORY_IDLE_SECONDS."""
        return "" if self.field == "models" else PREFIX + self.key.upper().replace(".", "_")


def row(default: T, key: str, kind: Kind[T], description: str) -> T:
    """Declare a field of `Settings` as a row of the table."""
    return field(default=default, metadata={"key": key, "kind": kind, "description": description})


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance's settings; every field has a default that works."""

    folders: InstanceFolders
    port: int = row(7367, "port", whole_number(0, 65535), "Port of the HTTP server; 0 takes a free one.")
    host: str = row("127.0.0.1", "host", text(), "Address of the HTTP server; any but this machine's needs `api_key`.")
    api_key: str = row("", "api_key", text(is_secret=True), "Key that clients of the HTTP API send as a bearer token.")
    allowed_hosts: tuple[str, ...] = row(
        (),
        "allowed_hosts",
        name_list(),
        "Host names under which clients reach the HTTP API besides localhost, container names and IP addresses.",
    )
    allowed_origins: tuple[str, ...] = row(
        (),
        "allowed_origins",
        name_list(),
        "Web origins whose pages may call the HTTP API besides local pages and apps.",
    )
    memory_budget_bytes: int = row(
        0, "memory.budget_gb", gigabytes(4096), "Memory for all models; 0 takes what the machine can spare."
    )
    idle_seconds: float = row(
        300.0, "memory.idle_seconds", number(-1, 1e9), "How long an unused model stays in memory; -1 sets no limit."
    )
    eviction_policy: Literal["lru", "cost"] = row(
        "lru",
        "memory.eviction",
        choice("lru", "cost"),
        "Which idle model makes room: the least recently used; `cost` of Senses 0.1 is accepted and means `lru`.",
    )
    keep_spare_worker: bool = row(
        True,
        "memory.spare",
        switch(),
        "Whether a process waits with the libraries that the next load will likely need, 100 to 200 MB.",
    )
    gpu_lanes: Literal["auto", "two", "exclusive", "off"] = row(
        "auto",
        "gpu.lanes",
        choice("auto", "two", "exclusive", "off"),
        "How models share the GPU: `two` one heavy and one light model at a time, `exclusive` one model, `off` all; "
        "`auto` is `two` on an Apple GPU.",
    )
    queue_per_model: int = row(8, "queue.per_model", whole_number(1, 10_000), "How many requests wait for one model.")
    queue_total: int = row(32, "queue.total", whole_number(1, 10_000), "How many requests wait altogether.")
    queue_timeout_seconds: float = row(
        120.0, "queue.seconds", number(1, 86_400), "How long a request waits for its model."
    )
    load_timeout_seconds: float = row(
        180.0, "load.seconds", number(1, 86_400), "How long a loading model may make no progress before it is stopped."
    )
    allowed_folders: tuple[Path, ...] = row(
        (),
        "files.allowed_folders",
        folder_list(),
        "InstanceFolders that tools read and write besides the client's own, the inbox and the artifacts.",
    )
    allow_urls: bool = row(False, "files.allow_urls", switch(), "Whether tools fetch media from the public web.")
    artifact_keep_days: float = row(
        30.0, "artifacts.keep_days", number(0, 36_500), "How long results stay in the artifacts; 0 sets no limit."
    )
    max_artifact_bytes: int = row(
        10_000_000_000,
        "artifacts.max_gb",
        gigabytes(4096),
        "How much space results take before the oldest are deleted; 0 sets no limit.",
    )
    mcp_tools: tuple[str, ...] = row(
        (), "mcp.tools", name_list(), "The MCP tools that clients are offered; none means all."
    )
    model_tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Alias → what config.toml says about it, as written there under the keys of `MODEL_SETTINGS`."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Task → the alias that answers calls that name no model."""


MODEL_SETTINGS: Mapping[str, tuple[Kind[Any], str]] = {
    "path": (text(), "Folder of the model's files; Senses finds out what it does."),
    "repo": (text(), "Hugging Face repository of the model, instead of `path`."),
    "revision": (text(), "Branch, tag or commit of `repo`; without it, `main`."),
    "task": (choice(*Task), "What the model of `repo` does; a built-in alias has one already."),
    "engine": (text(), "Library that runs the model of `repo`: mlx-vlm, mlx-lm, mlx-whisper, mlx-audio or mflux."),
    "description": (text(), "What the list of models says about the model of `repo`."),
    "keep_alive": (keep_alive(), "How long the model stays after a request, instead of `memory.idle_seconds`."),
}

SETTINGS: Mapping[str, Setting] = {
    setting.key: setting
    for setting in (
        *(Setting(field=row.name, default=row.default, **row.metadata) for row in fields(Settings) if row.metadata),
        *(
            Setting(f"defaults.{task}", text(), f"Model that answers calls for {task} that name none.", "defaults")
            for task in Task
        ),
        *(
            Setting(f"models.{NAME}.{key}", kind, description, "models")
            for key, (kind, description) in MODEL_SETTINGS.items()
        ),
    )
}
"""Key → its row."""

OTHER_VARIABLES: Mapping[str, str] = {
    "SENSES_HOME": "Folder that keeps everything of one instance: settings, state, locks, socket, logs, artifacts.",
    "SENSES_MCP": "Path of `senses-mcp`, for the extension that desktop apps start.",
}
"""Variables that are no settings."""
