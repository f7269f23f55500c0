"""`senses serve`: run the daemon in the foreground."""

import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from mcp_server.cli.banner import banner
from mcp_server.cli.models import model_rows
from mcp_server.client_setup.snippets import installed_commands
from mcp_server.daemon import daemon
from mcp_server.daemon.lock import AlreadyRunning, DaemonInfo, read_daemon_info
from mcp_server.launcher.paths import InstancePaths
from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.log_format import configure_logging
from model_runtime.settings import Settings

PrintText = Callable[[str], None]
WAIT_SECONDS = 2.0
"""Between two looks at the lock of another daemon."""
STDERR_BYTES = 1_000_000

logger = logging.getLogger(__name__)


def run_server(settings: Settings, print_text: PrintText) -> None:
    """Serve until a signal, or print the banner of the daemon that already runs.

    Raises:
        SettingsError: the HTTP port is in use, or a setting cannot be used.
    """
    configure_logging("%H:%M:%S")
    try:
        daemon.run(settings, auto=False, on_ready=lambda info: print_text(startup_text(info, settings)))
    except AlreadyRunning:
        info = read_daemon_info(InstancePaths(os.environ))
        if info is None:  # it is starting or stopping
            raise
        print_text(startup_text(info, settings))
        print_text("Senses is already running with the settings above (stop it with `senses stop`).")


def run_service(settings: Settings, print_text: PrintText, sleep: Callable[[float], None] = time.sleep) -> None:
    """Serve until a signal, once no other daemon of this instance runs: a service manager takes an end for a failure.

    Raises:
        SettingsError: the HTTP port is in use, or a setting cannot be used.
    """
    configure_logging()
    empty_large_stderr()
    logger.info("Senses waits until no other daemon of this instance runs")
    while True:
        try:
            daemon.run(settings, auto=False, on_ready=lambda info: print_text(info.url))
        except AlreadyRunning:
            sleep(WAIT_SECONDS)
        else:
            return


def empty_large_stderr(descriptor: int = 2) -> None:
    """Empty a file that launchd has opened for errors if it has grown large; nobody else does."""
    with suppress(OSError):
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size > STDERR_BYTES:
            os.ftruncate(descriptor, 0)


def startup_text(info: DaemonInfo, settings: Settings) -> str:
    """Return the banner of a daemon."""
    commands = installed_commands(settings)
    return banner(info.url, settings, commands, model_rows(settings), apple_gpu=has_apple_gpu())
