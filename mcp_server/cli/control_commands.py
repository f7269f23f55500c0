"""The commands that list and change what the daemon holds: models in memory, requests, voices, its log; `senses rm`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mcp_server.cli.endings import handle_errors
from mcp_server.cli.options import AsJson, ModelOption, read_settings
from mcp_server.launcher.paths import InstancePaths

LoadableModel = Annotated[str, typer.Argument(help="A name from `senses models`.", metavar="MODEL")]

jobs_app = typer.Typer(help="List the requests that wait or run, or cancel one.")
results_app = typer.Typer(help="List the stored results, newest first, or delete them.")


def ps(as_json: AsJson = False) -> None:
    """List the models in memory."""
    from mcp_server.cli import control
    from mcp_server.cli.api import running_api
    from mcp_server.cli.outputs import print_result

    with running_api(read_settings(), os.environ) as api:
        models = control.loaded_models(api.get("/api/status"))
    print_result(models, control.loaded_text(models), as_json=as_json)


def load(name: LoadableModel, as_json: AsJson = False) -> None:
    """Load a model, and wait until it is ready."""
    _change(name, "start", "{name} is in memory.", as_json=as_json)


def unload(name: LoadableModel, as_json: AsJson = False) -> None:
    """Unload a model once its requests have ended."""
    _change(name, "stop", "{name} has left memory.", as_json=as_json)


def pin(name: LoadableModel, as_json: AsJson = False) -> None:
    """Keep a model in memory, whatever else needs room."""
    _change(name, "pin", "{name} stays in memory once it is loaded.", as_json=as_json)


def unpin(name: LoadableModel, as_json: AsJson = False) -> None:
    """Let a pinned model leave memory again."""
    _change(name, "unpin", "{name} leaves memory when it is idle or room is needed.", as_json=as_json)


def _change(name: str, action: str, sentence: str, *, as_json: bool) -> None:
    from mcp_server.cli import control
    from mcp_server.cli.api import open_api
    from mcp_server.cli.outputs import print_result

    with open_api(read_settings(), os.environ) as api:
        answer = control.change_model(api, name, action)
    print_result([answer], sentence.format(name=name), as_json=as_json)


def voices(model: ModelOption = "", as_json: AsJson = False) -> None:
    """List the voices of a speech model."""
    from mcp_server.cli import control
    from mcp_server.cli.api import open_api
    from mcp_server.cli.outputs import print_result

    with open_api(read_settings(), os.environ) as api:
        answer = control.voices(api, model)
    print_result([answer], "\n".join(answer["voices"]), as_json=as_json)


def history(
    day: Annotated[bool, typer.Option("--day", help="The last day instead of the last hour.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", help="How many of the last events.", min=0)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what the daemon did in the last hour: requests, speed, loads and evictions by model and by client."""
    from mcp_server.cli.api import running_api
    from mcp_server.cli.history import clock_text, history_text
    from mcp_server.cli.outputs import print_result

    with running_api(read_settings(), os.environ) as api:
        found = api.get(f"/api/history?range={'day' if day else 'hour'}")
    print_result([found], history_text(found, count, clock_text), as_json=as_json)


def logs(
    follows: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=0)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the log of the daemon."""
    from mcp_server.cli.logs import follow, last_lines
    from mcp_server.cli.outputs import print_result

    path = Path(InstancePaths(os.environ).log_file)
    for lines in (last_lines(path, count), follow(path) if follows else ()):
        for line in lines:
            print_result([{"line": line}], line, as_json=as_json)


def rm(
    name: Annotated[str, typer.Argument(help="A downloaded model.", metavar="MODEL")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the files of a downloaded model."""
    from mcp_server.cli.outputs import print_result
    from mcp_server.cli.removal import removable
    from model_runtime.hub.downloaded import remove
    from model_runtime.sizes import format_bytes

    downloaded = removable(read_settings(), name)
    model, others = downloaded.model, downloaded.shared_with
    shared = f" {', '.join(others)} will need another download, too." if others else ""
    _confirm(f"Delete {model.name} in {', '.join(map(str, downloaded.folders))}?{shared}", yes=yes)
    _unload_if_running(model.name)
    freed_bytes = remove(downloaded)
    sentence = f"{model.name} is deleted: {format_bytes(freed_bytes)} are free again."
    print_result([{"model": model.name, "freed_bytes": freed_bytes}], sentence, as_json=as_json)


def _confirm(question: str, *, yes: bool) -> None:
    """Ask the person at the terminal; a program has to say --yes.

    Raises:
        WrongUse: nobody is there to answer.
        Cancelled: the answer is no.
    """
    import sys

    from mcp_server.cli.endings import WrongUse
    from model_runtime.errors import Cancelled

    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{question} Nobody is there to answer; add --yes.")
    if not typer.confirm(question, err=True):
        raise Cancelled("Nothing was deleted.")


def _unload_if_running(name: str) -> None:
    from mcp_server.cli import control
    from mcp_server.cli.api import running_api
    from mcp_server.cli.daemon_client import DaemonNotRunning

    try:
        api = running_api(read_settings(), os.environ)
    except DaemonNotRunning:
        return
    with api:
        if name in [model["name"] for model in control.loaded_models(api.get("/api/status"))]:
            control.change_model(api, name, "stop")


@jobs_app.callback(invoke_without_command=True)
@handle_errors
def jobs(context: typer.Context, as_json: AsJson = False) -> None:
    """List the requests that wait or run."""
    from mcp_server.cli import control
    from mcp_server.cli.api import running_api
    from mcp_server.cli.outputs import print_result

    if context.invoked_subcommand is not None:
        return
    with running_api(read_settings(), os.environ) as api:
        found = api.get("/api/status")["jobs"]
    print_result(found, control.jobs_text(found), as_json=as_json)


@jobs_app.command("cancel")
@handle_errors
def cancel_job(
    job_id: Annotated[int, typer.Argument(help="The id from the list.", metavar="ID", min=1)], as_json: AsJson = False
) -> None:
    """Cancel a request."""
    from mcp_server.cli.api import running_api
    from mcp_server.cli.outputs import print_result

    with running_api(read_settings(), os.environ) as api:
        answer = api.post(f"/api/jobs/{job_id}/cancel")
    print_result([answer], f"Request {job_id} is cancelled.", as_json=as_json)


@results_app.callback(invoke_without_command=True)
@handle_errors
def results(context: typer.Context, as_json: AsJson = False) -> None:
    """List the stored results."""
    from mcp_server.cli.outputs import print_result
    from mcp_server.cli.results import results_text, stored_results

    if context.invoked_subcommand is not None:
        return
    found = stored_results(read_settings().folders.artifacts)
    print_result(found, results_text(found), as_json=as_json)


@results_app.command("rm")
@handle_errors
def remove_results(
    result_id: Annotated[str, typer.Argument(help="The id from the list.", metavar="ID")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Delete every result.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before all are deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete one result, or all of them."""
    from mcp_server.cli.endings import WrongUse
    from mcp_server.cli.outputs import print_result
    from mcp_server.cli.results import remove_results

    if bool(result_id) == everything:
        raise WrongUse("Name one result by its id, or all of them with --all.")
    folder = read_settings().folders.artifacts
    if everything:
        _confirm(f"Delete every result in {folder}?", yes=yes)
    count = remove_results(folder, None if everything else result_id)
    print_result(
        [{"deleted": count}], f"{count} {'result is' if count == 1 else 'results are'} deleted.", as_json=as_json
    )


CONTROL_COMMANDS = (ps, load, unload, pin, unpin, voices, history, logs, rm)
CONTROL_APPS = {"jobs": jobs_app, "results": results_app}
