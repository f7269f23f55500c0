"""`senses config` and `senses config set`."""

import os
from typing import Annotated

import typer

from mcp_server.cli.endings import handle_errors
from mcp_server.cli.options import AsJson, read_settings

config_app = typer.Typer(help="Show every setting, its value and where it came from, or change one.")


@config_app.callback(invoke_without_command=True)
@handle_errors
def config(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the settings."""
    from dataclasses import asdict

    from mcp_server.cli.config import config_text, configured_values
    from mcp_server.cli.outputs import print_result

    if context.invoked_subcommand is not None:
        return
    values = configured_values(read_settings(), os.environ)
    print_result([asdict(value) for value in values], config_text(values), as_json=as_json)


@config_app.command("set", context_settings={"ignore_unknown_options": True})
@handle_errors
def set_config(
    key: Annotated[str, typer.Argument(help="A key, such as memory.idle_seconds.", metavar="KEY")],
    value: Annotated[str, typer.Argument(help='The value; lists are TOML: \'["a", "b"]\'.', metavar="VALUE")],
    as_json: AsJson = False,
) -> None:
    """Write a setting into config.toml, which keeps its comments."""
    from mcp_server.cli.config import set_setting
    from mcp_server.cli.outputs import print_message

    print_message(set_setting(read_settings(), key, value, os.environ), as_json=as_json)
