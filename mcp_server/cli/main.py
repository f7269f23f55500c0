"""The `senses` command: its commands and their options. Each command imports its module when it runs, to start fast."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mcp_server.cli.config_commands import config_app
from mcp_server.cli.control_commands import CONTROL_APPS, CONTROL_COMMANDS
from mcp_server.cli.endings import handle_errors, run_to_end
from mcp_server.cli.media_commands import MEDIA_COMMANDS
from mcp_server.cli.options import AsJson, read_settings
from mcp_server.cli.service_commands import service_app
from mcp_server.launcher.paths import VERSION, InstancePaths
from model_runtime.hub.version import Version

app = typer.Typer(
    name="senses",
    help="Local models that see, draw, hear and speak, for coding agents (MCP) and for OpenAI's API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes twice the time of all else
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (*MEDIA_COMMANDS, *CONTROL_COMMANDS):
    app.command()(handle_errors(command))
for name, group in (CONTROL_APPS | {"config": config_app, "service": service_app}).items():
    app.add_typer(group, name=name)
folders_app = typer.Typer(
    help="List the folders that clients may use besides their own, and grant or revoke them while Senses runs.",
    pretty_exceptions_enable=False,
)
app.add_typer(folders_app, name="folders")


class ClientName(StrEnum):
    """The MCP clients that `senses install` knows."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    CODEX = "codex"
    OPENCODE = "opencode"
    GEMINI_CLI = "gemini-cli"


def main() -> None:
    """Run the command line."""
    run_to_end(app)


def show_version(value: bool) -> None:
    """Print the version and exit."""
    if value:
        typer.echo(f"Senses {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Accept options before the command."""


@app.command()
@handle_errors
def serve(
    port: Annotated[
        int | None, typer.Option(help="HTTP port instead of the setting `port`; 0 is any free one.", min=0, max=65535)
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on. One that other machines can reach needs api_key in config.toml."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Begin when no other Senses of this instance runs, as a service does.")
    ] = False,
) -> None:
    """Run the server in this terminal: MCP, OpenAI's API and the status page. Ctrl-C stops it."""
    from dataclasses import replace

    from mcp_server.cli.serve import run_server, run_service

    settings = read_settings()
    settings = replace(
        settings, port=settings.port if port is None else port, host=settings.host if host is None else host
    )
    (run_service if wait else run_server)(settings, typer.echo)


@app.command()
@handle_errors
def status(as_json: AsJson = False) -> None:
    """Show the running server: its memory, loaded models and requests."""
    from mcp_server.cli.outputs import print_result
    from mcp_server.cli.status import read_status, status_text

    settings = read_settings()
    info, found = read_status(InstancePaths(os.environ), settings)
    print_result([{"url": info.url, **found}], status_text(info, found, settings), as_json=as_json)


@app.command()
@handle_errors
def stop(as_json: AsJson = False) -> None:
    """Stop the running server. Running requests have 2 seconds to finish."""
    from mcp_server.cli.outputs import print_message
    from mcp_server.cli.stop import stop_daemon

    print_message(stop_daemon(InstancePaths(os.environ)), as_json=as_json)


@app.command()
@handle_errors
def models(
    newer: Annotated[
        bool, typer.Option("--newer", help="Ask Hugging Face which downloaded models have a newer version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the models: task, size, and the command that downloads each."""
    from mcp_server.cli.models import models_json, models_text, newer_json, newer_text
    from mcp_server.cli.outputs import print_json

    settings = read_settings()
    if not as_json:
        typer.echo(newer_text(settings) if newer else models_text(settings))
        return
    for model in newer_json(settings) if newer else models_json(settings):
        print_json(model)


@folders_app.callback(invoke_without_command=True)
@handle_errors
def folders(context: typer.Context, as_json: AsJson = False) -> None:
    """List the granted folders."""
    from mcp_server.cli.folders import folders_json, folders_text
    from mcp_server.cli.outputs import print_result

    if context.invoked_subcommand is None:
        settings = read_settings()
        print_result(folders_json(settings), folders_text(settings), as_json=as_json)


@folders_app.command("add")
@handle_errors
def add_folder(
    path: Annotated[Path, typer.Argument(help="The folder.")],
    write: Annotated[bool, typer.Option("--write", help="Results may be saved there, too.")] = False,
    client: Annotated[str, typer.Option(help="Only for the client of this name; http: for those over HTTP.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let clients use a folder, at once."""
    from mcp_server.cli.folders import add_folder
    from mcp_server.cli.outputs import print_message

    text = add_folder(read_settings(), path, access="write" if write else "read", client=client)
    print_message(text, as_json=as_json)


@folders_app.command("revoke")
@handle_errors
def revoke_folder(
    name: Annotated[str, typer.Argument(help="The folder, or its id from the list.")], as_json: AsJson = False
) -> None:
    """Withdraw a folder, at once: a call that uses it ends."""
    from mcp_server.cli.folders import revoke_folder
    from mcp_server.cli.outputs import print_message

    print_message(revoke_folder(read_settings(), name), as_json=as_json)


@app.command()
@handle_errors
def pull(
    name: Annotated[str, typer.Argument(help="A name from `senses models`, or a Hugging Face repository.")],
    version: Annotated[
        Version, typer.Option(help="The version in use, the newest one of its repository, or the shipped one.")
    ] = Version.KEPT,
    as_json: Annotated[bool, typer.Option("--json", help="Print progress as lines of JSON, for programs.")] = False,
) -> None:
    """Download a model. An interrupted download continues where it stopped."""
    from mcp_server.cli.pull import pull_as_json, pull_model
    from mcp_server.daemon.power_assertion import awake

    run, settings = pull_as_json if as_json else pull_model, read_settings()
    with awake(is_enabled=settings.keep_awake):
        run(settings, name, typer.echo, version=version)


@app.command()
@handle_errors
def install(
    client: Annotated[ClientName, typer.Option(help="The client to connect.")],
    folder: Annotated[list[Path], typer.Option(help="A folder that the client may use; repeat it for more.")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the new file and change nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove Senses from the file.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link that adds Senses when you open it (Cursor, VS Code).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Connect an MCP client: add Senses to its configuration file, keep a backup, and add a skill for its agent."""
    from mcp_server.cli.install import install_text
    from mcp_server.cli.outputs import print_message

    print_message(install_text(client, folder, undo=undo, dry_run=dry_run, link=link), as_json=as_json)


@app.command()
@handle_errors
def doctor(
    report: Annotated[
        Path | None,
        typer.Option(help="Also try every model that is here, and write what was seen into this new file, to send it."),
    ] = None,
) -> None:
    """Check the installation: the built-in models speak, transcribe, draw and describe a sentence."""
    from mcp_server.cli.doctor import run_checks
    from mcp_server.cli.report import write_report

    settings = read_settings()
    passed = write_report(settings, os.environ, report, typer.echo) if report else run_checks(settings, typer.echo)
    if not passed:
        raise typer.Exit(1)


@app.command()
@handle_errors
def demo(
    folder: Annotated[Path | None, typer.Option(help="A new or empty folder for the results.")] = None,
    sentences: Annotated[int, typer.Option(help="How many of the six sentences to send.", min=1, max=6)] = 6,
    starters: Annotated[bool, typer.Option("--starters", help="Use the built-in models for every step.")] = False,
    real: Annotated[
        bool, typer.Option("--real", help="Five everyday sentences: real models speak, hear and read the words.")
    ] = False,
    say: Annotated[str, typer.Option(help="The model that speaks.", metavar="MODEL")] = "",
    hear: Annotated[str, typer.Option(help="The model that transcribes.", metavar="MODEL")] = "",
    draw: Annotated[str, typer.Option(help="The model that draws.", metavar="MODEL")] = "",
    see: Annotated[str, typer.Option(help="The model that describes.", metavar="MODEL")] = "",
) -> None:
    """Speak sentences, transcribe and draw them, describe the drawings, and check that the meaning stays the same."""
    from mcp_server.cli.demo import plan_run, run_demo

    run = plan_run(read_settings(), folder, sentences, (say, hear, draw, see), starters=starters, real=real)
    run_demo(run, typer.echo)


if __name__ == "__main__":
    main()
