"""`senses serve`: run the daemon in the foreground."""

import os
from collections.abc import Callable
from dataclasses import replace

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


def run_server(settings: Settings, print_text: PrintText, *, port: int | None = None, host: str | None = None) -> None:
    """Serve until a signal, or print the banner of the daemon that already runs.

    `port` and `host` replace those of the settings.

    Raises:
        SettingsError: the HTTP port is in use, or a setting cannot be used.
    """
    settings = replace(
        settings, port=settings.port if port is None else port, host=settings.host if host is None else host
    )
    configure_logging("%H:%M:%S")
    try:
        daemon.run(settings, auto=False, on_ready=lambda info: print_text(startup_text(info, settings)))
    except AlreadyRunning:
        info = read_daemon_info(InstancePaths(os.environ))
        if info is None:  # it is starting or stopping
            raise
        print_text(startup_text(info, settings))
        print_text("Senses is already running with the settings above (stop it with `senses stop`).")


def startup_text(info: DaemonInfo, settings: Settings) -> str:
    """Return the banner of a daemon."""
    commands = installed_commands(settings)
    return banner(info.url, settings, commands, model_rows(settings), apple_gpu=has_apple_gpu())
