"""The command people type: serve, status, models, pull, install, doctor, demo, stop. Heavy imports wait until they are needed."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from mcp_server.launcher.paths import VERSION, InstancePaths
from model_runtime.errors import SensesError

if TYPE_CHECKING:
    from mcp_server.cli.banner import ModelRow
    from mcp_server.daemon.lock import DaemonInfo
    from model_runtime.settings import Settings

P = ParamSpec("P")

app = typer.Typer(
    name="senses",
    help="Eyes, a brush, ears and a voice for coding agents, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class ClientName(StrEnum):
    """MCP clients that can be set up."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"


def main() -> None:
    """Run the command line."""
    app()


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show an expected failure as its sentence and leave with status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SensesError as error:
            typer.echo(error.message, err=True)
            raise typer.Exit(1) from error

    return run


def show_version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        typer.echo(f"Senses {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Options before the command."""


@app.command()
@handle_errors
def serve(
    port: Annotated[int | None, typer.Option(help="HTTP port; 0 takes a free one.", min=0, max=65535)] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; other than this machine's needs a key.")
    ] = None,
) -> None:
    """Serve in the foreground: MCP, OpenAI's API and the status page. Ctrl-C stops."""
    import logging

    from mcp_server.daemon import daemon
    from mcp_server.daemon.lock import AlreadyRunning, read_daemon_info

    settings = load_settings_with(port, host)
    logging.basicConfig(level=logging.INFO, format=daemon.LOG_FORMAT, datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        daemon.run(settings, auto=False, on_ready=lambda facts: typer.echo(startup_text(facts, settings)))
    except AlreadyRunning:
        info = read_daemon_info(InstancePaths(os.environ))
        if info is None:
            raise
        typer.echo(startup_text(info, settings))
        typer.echo("Senses runs already and serves all this (stop it with: senses stop).")


@app.command()
@handle_errors
def status() -> None:
    """Show what runs, what is in memory and what waits."""
    from mcp_server.cli.daemon_client import status_text

    typer.echo(status_text(InstancePaths(os.environ), load_settings_with()))


@app.command()
@handle_errors
def stop() -> None:
    """Stop the daemon; running work gets two seconds to end."""
    from mcp_server.cli.daemon_client import stop_daemon

    typer.echo(stop_daemon(InstancePaths(os.environ)))


@app.command()
@handle_errors
def models() -> None:
    """List the models: what each is for, its size, whether it is on this disk."""
    from mcp_server.cli.banner import models_table, starter_note
    from model_runtime.catalog.catalog import has_apple_gpu

    typer.echo(models_table(model_rows(load_settings_with())))
    typer.echo("\n" + starter_note(apple_gpu=has_apple_gpu()))


@app.command()
@handle_errors
def pull(
    name: Annotated[str, typer.Argument(help="An alias from `senses models`, or a Hugging Face repository.")],
    as_json: Annotated[bool, typer.Option("--json", help="Report as lines of JSON, for programs.")] = False,
) -> None:
    """Download a model's weights; an interrupted download goes on where it stopped."""
    from mcp_server.cli.pull import pull_as_json, pull_model

    if as_json:
        pull_as_json(load_settings_with(), name, typer.echo)
    else:
        pull_model(load_settings_with(), name, typer.echo)


@app.command()
@handle_errors
def install(
    client: Annotated[ClientName, typer.Option(help="Which client to set up.")],
    folder: Annotated[list[Path], typer.Option(help="A folder the client may use; may be repeated.")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file that would be written.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take Senses out again.")] = False,
    link: Annotated[bool, typer.Option("--link", help="Show an address that adds Senses when opened.")] = False,
) -> None:
    """Set up an MCP client to use Senses; its other settings stay, and a backup is kept."""
    from mcp_server.client_setup import config_files

    client_config = config_files.CLIENT_CONFIGS[client]
    folders = [str(path.expanduser().absolute()) for path in folder]
    entry = config_files.server_entry(client_config, config_files.shim_command(), folders, Path.home())
    if link:
        typer.echo(config_files.install_link(client_config, entry))
        return
    change = (
        config_files.plan_remove(client_config, Path.home())
        if undo
        else config_files.plan_add(client_config, Path.home(), entry)
    )
    if dry_run:
        typer.echo(f"# {change.path}\n{change.new_text}", nl=False)
        return
    if not change.is_needed:
        typer.echo(f"{client_config.title} is set up that way already ({change.path}).")
        return
    backup = change.write()
    typer.echo(
        f"Wrote {change.path}." + (f" The old one is {backup}." if backup else "") + f" {client_config.next_step}"
    )


@app.command()
@handle_errors
def doctor() -> None:
    """Check that everything works, with the built-in models: what it draws it sees, what it says it hears."""
    from mcp_server.cli.doctor import run_checks

    if not run_checks(load_settings_with(), typer.echo):
        raise typer.Exit(1)


@app.command()
@handle_errors
def demo(
    folder: Annotated[Path | None, typer.Option(help="A new folder for everything that is made.")] = None,
    sentences: Annotated[int, typer.Option(help="How many of the built-in sentences.", min=1, max=6)] = 6,
    starters: Annotated[bool, typer.Option("--starters", help="The built-in models, whatever is configured.")] = False,
    say: Annotated[str, typer.Option(help="The model that speaks.", metavar="MODEL")] = "",
    hear: Annotated[str, typer.Option(help="The model that listens.", metavar="MODEL")] = "",
    draw: Annotated[str, typer.Option(help="The model that draws.", metavar="MODEL")] = "",
    see: Annotated[str, typer.Option(help="The model that looks.", metavar="MODEL")] = "",
) -> None:
    """Send sentences round: spoken, written down, drawn from what was heard, described. Does the meaning come back?"""
    from mcp_server.cli.demo import given_folder, new_folder, run_demo
    from mcp_server.demo.loop import SENTENCES, DemoRun, models_for

    models = models_for((say, hear, draw, see), starters=starters)
    place = given_folder(folder) if folder else new_folder(load_settings_with().folders.artifacts / "demo")
    run_demo(DemoRun(place, SENTENCES[:sentences], models), typer.echo)


def load_settings_with(port: int | None = None, host: str | None = None) -> "Settings":
    """Return the instance's settings with what the command line changes."""
    from model_runtime.settings import load_settings

    settings = load_settings(os.environ)
    changes = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    return replace(settings, **changes)  # type: ignore[arg-type]


def startup_text(info: "DaemonInfo", settings: "Settings") -> str:
    """Return what a person reads once Senses serves."""
    from mcp_server.cli.banner import banner
    from mcp_server.client_setup.snippets import installed_commands
    from model_runtime.catalog.catalog import has_apple_gpu

    return banner(info.url, settings, installed_commands(settings), model_rows(settings), apple_gpu=has_apple_gpu())


def model_rows(settings: "Settings") -> list["ModelRow"]:
    """Return every model as a line of the list."""
    from mcp_server.cli.banner import ModelRow
    from model_runtime.catalog.catalog import create_catalog
    from model_runtime.hub.cache import HubCache, hub_folder

    catalog = create_catalog(settings, HubCache(hub_folder(os.environ)))
    return [
        ModelRow(
            model.name,
            str(model.task),
            model.description,
            catalog.is_present(model),
            catalog.weights_bytes(model),
            catalog.is_default(model),
            model.starter,
            catalog.broken_reason(model),
        )
        for model in catalog.models()
    ]


if __name__ == "__main__":
    main()
