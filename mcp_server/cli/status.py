"""`senses status`: what a running daemon does and holds in memory."""

from typing import Any

from mcp_server.cli.daemon_client import fetch_json, running_daemon
from mcp_server.cli.table import align_columns, folder_rows
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes


def status_json(paths: InstancePaths, settings: Settings) -> dict[str, Any]:
    """Return the status of the running daemon as its API has it, with the address.

    Raises:
        DaemonNotRunning: none runs, or it does not answer.
    """
    info = running_daemon(paths)
    return {"url": info.url, **fetch_json(info.url + "/api/status", settings.api_key)}


def status_text(paths: InstancePaths, settings: Settings) -> str:
    """Return the status of the running daemon as text.

    Raises:
        DaemonNotRunning: none runs, or it does not answer.
    """
    info = running_daemon(paths)
    status = fetch_json(info.url + "/api/status", settings.api_key)
    memory = status["memory"]
    rows = [
        ("Senses", f"{info.version}, process {info.pid}, up {duration_text(status['uptime_seconds'])}"),
        ("Status page", info.url),
        ("Memory", f"{format_bytes(memory['charged_bytes'])} used of {format_bytes(memory['budget_bytes'])}"),
        *folder_rows(settings),
    ]
    models = [
        (model["name"], model["state"], format_bytes(model["charged_bytes"]), activity_text(model))
        for model in status["models"]
        if model["state"] != "absent"
    ]
    requests = [
        (f"#{job['id']}", job["model"], job["state"], job["stage"], f"{job['done']:g}/{job['total']:g}", job["client"])
        for job in status["jobs"]
    ]
    problems = [(problem,) for problem in status.get("problems", [])]
    return "\n\n".join(
        (
            align_columns(rows),
            *(["Problems:\n" + align_columns(problems)] if problems else []),
            "Models:\n" + align_columns(models) if models else "No model is in memory; each loads when it is used.",
            "Requests:\n" + align_columns(requests) if requests else "No request waits or runs.",
        )
    )


def activity_text(model: dict[str, Any]) -> str:
    """Return what a model of the status does: why it fails, its requests, or how long it stays."""
    if model["state"] == "backoff":
        return str(model["error"])
    if model["active"] or model["queued"]:
        return f"{model['active']} running, {model['queued']} waiting"
    seconds_left = model["unloads_in_seconds"]
    return "idle" if seconds_left is None else f"idle, unloads in {duration_text(seconds_left)}"


def duration_text(seconds: float) -> str:
    """Return seconds as people say them: "3 h 12 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
