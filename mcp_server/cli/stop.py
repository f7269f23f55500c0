"""`senses stop`: stop the running daemon."""

import os
import signal
import time
from contextlib import suppress

from mcp_server.cli.daemon_client import running_daemon
from mcp_server.daemon.lock import read_daemon_info
from mcp_server.launcher.paths import InstancePaths

STOP_TIMEOUT_SECONDS = 8.0
"""More than the daemon's own `SHUTDOWN_TIMEOUT_SECONDS`."""
POLL_SECONDS = 0.05


def stop_daemon(paths: InstancePaths) -> str:
    """Stop the daemon by SIGTERM, after a timeout by SIGKILL; return a sentence that says which.

    Raises:
        DaemonNotRunning: none runs.
    """
    info = running_daemon(paths)
    os.kill(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while read_daemon_info(paths) is not None:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(info.pid, signal.SIGKILL)
            return f"Senses (process {info.pid}) did not stop within {STOP_TIMEOUT_SECONDS:.0f} s and was killed."
        time.sleep(POLL_SECONDS)
    return f"Senses (process {info.pid}) has stopped."
