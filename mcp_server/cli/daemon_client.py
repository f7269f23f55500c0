"""Requests of the command line to a running daemon."""

import json
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from mcp_server.daemon.lock import DaemonInfo, read_daemon_info
from mcp_server.launcher.paths import InstancePaths
from model_runtime.errors import SensesError

REPLY_TIMEOUT_SECONDS = 5.0


class DaemonNotRunning(SensesError):
    """No daemon of this instance runs, or it does not answer."""

    code = "not_running"


def running_daemon(paths: InstancePaths) -> DaemonInfo:
    """Return the description of the running daemon.

    Raises:
        DaemonNotRunning: none runs.
    """
    info = read_daemon_info(paths)
    if info is None:
        raise DaemonNotRunning(
            "Senses is not running. A client starts it when it connects; `senses serve` starts it in this terminal."
        )
    return info


def fetch_json(url: str, api_key: str) -> dict[str, Any]:
    """Return the JSON object at a URL of the daemon.

    Raises:
        DaemonNotRunning: the daemon does not answer.
    """
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        request = Request(url, headers=headers)  # noqa: S310 - our own address
        # no proxy of the variables or of macOS's network settings: the daemon is on this machine
        with build_opener(ProxyHandler({})).open(request, timeout=REPLY_TIMEOUT_SECONDS) as response:
            document: dict[str, Any] = json.load(response)
    except (URLError, TimeoutError, ValueError) as error:
        raise DaemonNotRunning(f"Senses does not answer at {url}: {error}. `senses stop` stops it.") from error
    return document
