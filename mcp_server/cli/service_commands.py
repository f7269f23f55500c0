"""`senses service install`, `uninstall`, `status` and `logs`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mcp_server.cli.control_commands import logs
from mcp_server.cli.endings import handle_errors
from mcp_server.cli.options import AsJson

if TYPE_CHECKING:
    from mcp_server.cli.service import LoginService

service_app = typer.Typer(help="Start Senses at login, by launchd of macOS or systemd of Linux.", no_args_is_help=True)
service_app.command("logs")(handle_errors(logs))


@service_app.command("install")
@handle_errors
def install_service(as_json: AsJson = False) -> None:
    """Start Senses now, at each login, and again when it fails."""
    from mcp_server.cli.outputs import print_message
    from mcp_server.cli.service import run_program

    print_message(_service().install(run_program), as_json=as_json)


@service_app.command("uninstall")
@handle_errors
def uninstall_service(as_json: AsJson = False) -> None:
    """Stop the service and remove it; clients start Senses when they need it."""
    from mcp_server.cli.outputs import print_message
    from mcp_server.cli.service import run_program

    print_message(_service().uninstall(run_program), as_json=as_json)


@service_app.command("status")
@handle_errors
def service_status(as_json: AsJson = False) -> None:
    """Show whether the service is installed and runs."""
    from mcp_server.cli.outputs import print_result
    from mcp_server.cli.service import run_program, status_text

    status = _service().status(run_program)
    print_result([status], status_text(status), as_json=as_json)


def _service() -> "LoginService":
    from mcp_server.cli.service import this_service

    return this_service(os.environ, Path.home())
