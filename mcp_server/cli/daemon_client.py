"""The running daemon, as the command line finds it."""

from mcp_server.daemon.lock import DaemonInfo, read_daemon_info
from mcp_server.launcher.paths import InstancePaths
from model_runtime.errors import SensesError


class DaemonNotRunning(SensesError):
    """No daemon of this instance runs, and none can be started."""

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
