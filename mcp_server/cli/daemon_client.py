"""What the command line asks of a running daemon: its status, and to stop."""

import json
import os
import signal
import time
from contextlib import suppress
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from mcp_server.cli.banner import folder_rows, table
from mcp_server.daemon.lock import Facts, read_facts
from mcp_server.launcher.paths import Places
from model_runtime.errors import SensesError
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

ANSWER_SECONDS = 5.0
STOP_SECONDS = 8.0
POLL_SECONDS = 0.05


class NotRunning(SensesError):
    """No daemon of this instance lives."""

    code = "not_running"


def running_status(places: Places, settings: Settings) -> str:
    """Return the status of the running daemon as text.

    Raises:
        NotRunning: there is none, or it does not answer.
    """
    facts = _facts(places)
    snapshot = fetch(facts.url + "/api/status", settings.api_key)
    memory = snapshot["memory"]
    rows = [
        ("Senses", f"{facts.version}, process {facts.pid}, up {_duration(snapshot['uptime_seconds'])}"),
        ("Page", facts.url),
        ("Memory", f"{format_bytes(memory['charged_bytes'])} of {format_bytes(memory['budget_bytes'])}"),
        *folder_rows(settings),
    ]
    loaded = [
        (model["name"], model["state"], format_bytes(model["charged_bytes"]), _busy(model))
        for model in snapshot["models"]
        if model["state"] != "absent"
    ]
    jobs = [
        (f"#{job['id']}", job["model"], job["state"], job["stage"], f"{job['done']:g}/{job['total']:g}", job["client"])
        for job in snapshot["jobs"]
    ]
    return "\n\n".join(
        (
            table(rows),
            "In memory:\n" + table(loaded) if loaded else "No model is in memory; each loads when it is used.",
            "Requests:\n" + table(jobs) if jobs else "Nothing waits or runs.",
        )
    )


def stop_daemon(places: Places) -> str:
    """Stop the daemon, politely and then not; raises `NotRunning`."""
    facts = _facts(places)
    os.kill(facts.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while read_facts(places) is not None:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(facts.pid, signal.SIGKILL)
            return f"Senses (process {facts.pid}) did not stop within {STOP_SECONDS:.0f} s and was killed."
        time.sleep(POLL_SECONDS)
    return f"Senses (process {facts.pid}) has stopped."


def fetch(url: str, api_key: str) -> dict[str, Any]:
    """Get JSON from the daemon; raises `NotRunning` where it does not answer."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - our own address
            found: dict[str, Any] = json.load(answer)
    except (URLError, TimeoutError, ValueError) as error:
        raise NotRunning(f"Senses does not answer at {url}: {error}. `senses stop` ends it.") from error
    return found


def _facts(places: Places) -> Facts:
    facts = read_facts(places)
    if facts is None:
        raise NotRunning("Senses is not running. Clients start it by themselves; `senses serve` runs it here.")
    return facts


def _busy(model: dict[str, Any]) -> str:
    if model["active"] or model["queued"]:
        return f"{model['active']} running, {model['queued']} waiting"
    left = model["unloads_in_seconds"]
    return f"idle, leaves in {_duration(left)}" if left is not None else "idle"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
