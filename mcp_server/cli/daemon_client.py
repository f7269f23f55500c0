"""What the command line asks of a running daemon: its status, and to stop."""

import json
import os
import signal
import time
from contextlib import suppress
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from mcp_server.cli.banner import align_columns, instance_folder_rows
from mcp_server.daemon.lock import DaemonInfo, read_daemon_info
from mcp_server.launcher.paths import InstancePaths
from model_runtime.errors import SensesError
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

REPLY_TIMEOUT_SECONDS = 5.0
STOP_TIMEOUT_SECONDS = 8.0
POLL_SECONDS = 0.05


class DaemonNotRunning(SensesError):
    """No daemon of this instance lives."""

    code = "not_running"


def status_text(paths: InstancePaths, settings: Settings) -> str:
    """Return the status of the running daemon as text.

    Raises:
        NotRunning: there is none, or it does not answer.
    """
    info = _running_daemon(paths)
    snapshot = fetch_json(info.url + "/api/status", settings.api_key)
    memory = snapshot["memory"]
    rows = [
        ("Senses", f"{info.version}, process {info.pid}, up {_duration_text(snapshot['uptime_seconds'])}"),
        ("Page", info.url),
        ("Memory", f"{format_bytes(memory['charged_bytes'])} of {format_bytes(memory['budget_bytes'])}"),
        *instance_folder_rows(settings),
    ]
    loaded = [
        (model["name"], model["state"], format_bytes(model["charged_bytes"]), _activity_text(model))
        for model in snapshot["models"]
        if model["state"] != "absent"
    ]
    jobs = [
        (f"#{job['id']}", job["model"], job["state"], job["stage"], f"{job['done']:g}/{job['total']:g}", job["client"])
        for job in snapshot["jobs"]
    ]
    return "\n\n".join(
        (
            align_columns(rows),
            "In memory:\n" + align_columns(loaded) if loaded else "No model is in memory; each loads when it is used.",
            "Requests:\n" + align_columns(jobs) if jobs else "Nothing waits or runs.",
        )
    )


def stop_daemon(paths: InstancePaths) -> str:
    """Stop the daemon, politely and then not; raises `NotRunning`."""
    info = _running_daemon(paths)
    os.kill(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while read_daemon_info(paths) is not None:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(info.pid, signal.SIGKILL)
            return f"Senses (process {info.pid}) did not stop within {STOP_TIMEOUT_SECONDS:.0f} s and was killed."
        time.sleep(POLL_SECONDS)
    return f"Senses (process {info.pid}) has stopped."


def fetch_json(url: str, api_key: str) -> dict[str, Any]:
    """Get JSON from the daemon; raises `NotRunning` where it does not answer."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=REPLY_TIMEOUT_SECONDS) as response:  # noqa: S310 - our own address
            document: dict[str, Any] = json.load(response)
    except (URLError, TimeoutError, ValueError) as error:
        raise DaemonNotRunning(f"Senses does not answer at {url}: {error}. `senses stop` ends it.") from error
    return document


def _running_daemon(paths: InstancePaths) -> DaemonInfo:
    info = read_daemon_info(paths)
    if info is None:
        raise DaemonNotRunning("Senses is not running. Clients start it by themselves; `senses serve` runs it here.")
    return info


def _activity_text(model: dict[str, Any]) -> str:
    if model["active"] or model["queued"]:
        return f"{model['active']} running, {model['queued']} waiting"
    idle_seconds_left = model["unloads_in_seconds"]
    return f"idle, leaves in {_duration_text(idle_seconds_left)}" if idle_seconds_left is not None else "idle"


def _duration_text(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
