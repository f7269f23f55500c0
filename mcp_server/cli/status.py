"""`senses status`: what a running daemon does and holds in memory."""

from typing import Any

from mcp_server.cli.api import api_at
from mcp_server.cli.control import duration_text, jobs_text, loaded_models, loaded_text
from mcp_server.cli.daemon_client import running_daemon
from mcp_server.cli.table import align_columns, folder_rows
from mcp_server.daemon.lock import DaemonInfo
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes


def read_status(paths: InstancePaths, settings: Settings) -> tuple[DaemonInfo, dict[str, Any]]:
    """Return the description of the running daemon, and its status as its API has it.

    Raises:
        DaemonNotRunning: none runs.
        RequestFailed: it does not answer.
    """
    info = running_daemon(paths)
    with api_at(info.url, settings) as api:
        return info, api.get("/api/status")


def status_text(info: DaemonInfo, status: dict[str, Any], settings: Settings) -> str:
    """Return the status of a daemon as text."""
    memory, problems = status["memory"], [(problem,) for problem in status.get("problems", [])]
    rows = [
        ("Senses", f"{info.version}, process {info.pid}, up {duration_text(status['uptime_seconds'])}"),
        ("Status page", info.url),
        ("Memory", f"{format_bytes(memory['charged_bytes'])} used of {format_bytes(memory['budget_bytes'])}"),
        *folder_rows(settings),
    ]
    parts = [
        align_columns(rows),
        "Problems:\n" + align_columns(problems) if problems else "",
        loaded_text(loaded_models(status)),
        jobs_text(status["jobs"]),
    ]
    return "\n\n".join(filter(None, parts))
