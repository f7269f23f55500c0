"""What each command and option of `senses` asks for, in this process."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mcp_server.cli import demo, doctor, install, pull, report, serve
from mcp_server.cli.main import app
from mcp_server.daemon import daemon
from mcp_server.daemon.lock import AlreadyRunning
from mcp_server.launcher.paths import VERSION
from model_runtime.errors import InvalidInput
from model_runtime.hub.version import Version
from model_runtime.settings import Settings


class Recorder:
    """In place of what a command runs: keeps how it was called, and returns or raises what a test says."""

    def __init__(self, outcome: object = None) -> None:
        self.arguments: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}
        self._outcome = outcome

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Keep the call."""
        self.arguments, self.options = arguments, options
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of the test's own."""
    monkeypatch.setenv("SENSES_HOME", str(tmp_path / "home"))


def senses(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("options", "port", "host"),
    [((), 7367, "127.0.0.1"), (("--port", "0", "--host", "::1"), 0, "::1"), (("--port", "65535"), 65535, "127.0.0.1")],
)
def test_serve_takes_a_port_and_a_host(
    options: tuple[str, ...], port: int, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function, flags in (("run_server", ()), ("run_service", ("--wait",))):
        run = Recorder()
        monkeypatch.setattr(serve, function, run)

        assert senses("serve", *options, *flags).exit_code == 0
        assert (run.arguments[0].port, run.arguments[0].host) == (port, host)
    assert {senses("serve", "--port", port).exit_code for port in ("-1", "65536")} == {2}


@pytest.mark.promise("service:waits")
def test_a_service_begins_once_no_other_daemon_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([AlreadyRunning("it runs"), AlreadyRunning("it runs"), None])
    waits: list[float] = []

    def run(*_arguments: object, **_options: object) -> None:
        if error := next(tries):
            raise error

    monkeypatch.setattr(daemon, "run", run)

    serve.run_service(settings, print, waits.append)

    assert waits == [serve.WAIT_SECONDS] * 2
    assert next(tries, "none is left") == "none is left"


def test_the_file_of_errors_under_launchd_is_emptied_before_it_grows_on(tmp_path: Path) -> None:
    for size, left in ((10, 10), (serve.STDERR_BYTES + 1, 0)):
        with (tmp_path / "service.log").open("wb") as log:
            log.truncate(size)
            serve.empty_large_stderr(log.fileno())
            assert os.fstat(log.fileno()).st_size == left


@pytest.mark.parametrize(("options", "function"), [((), "pull_model"), (("--json",), "pull_as_json")])
def test_pull_prints_for_people_or_for_programs(
    options: tuple[str, ...], function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {name: Recorder() for name in ("pull_model", "pull_as_json")}
    for name, run in runs.items():
        monkeypatch.setattr(pull, name, run)

    assert senses("pull", "lab/words", *options).exit_code == 0
    assert [name for name, run in runs.items() if run.arguments] == [function]
    assert runs[function].arguments[1] == "lab/words"
    assert runs[function].options == {"version": Version.KEPT}


def test_pull_takes_another_version_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recorder()
    monkeypatch.setattr(pull, "pull_model", run)

    for version in ("newest", "shipped"):
        assert senses("pull", "tts-fast", "--version", version).exit_code == 0
        assert run.options == {"version": version}
    assert senses("pull", "tts-fast", "--version", "older").exit_code == 2


def test_install_changes_the_file_unless_an_option_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recorder("done")
    monkeypatch.setattr(install, "install_text", run)

    plain = senses("install", "--client", "cursor")
    options = {"undo": False, "dry_run": False, "link": False}
    assert (plain.output, run.arguments, run.options) == ("done\n", ("cursor", []), options)
    for option, name in (("--undo", "undo"), ("--dry-run", "dry_run"), ("--link", "link")):
        senses("install", "--client", "vscode", "--folder", "/a", "--folder", "/b", option)
        assert run.arguments == ("vscode", [Path("/a"), Path("/b")])
        assert run.options == options | {name: True}


@pytest.mark.parametrize("client", ["claude-desktop", "claude-code", "cursor", "vscode"])
def test_every_known_client_can_be_named(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recorder("done")
    monkeypatch.setattr(install, "install_text", run)

    senses("install", "--client", client)

    assert run.arguments == (client, [])


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("with_report", [True, False])
def test_doctor_fails_if_a_check_does_and_writes_a_report_only_if_asked(
    passed: bool, status: int, with_report: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, written = Recorder(passed), Recorder(passed)
    monkeypatch.setattr(doctor, "run_checks", checks)
    monkeypatch.setattr(report, "write_report", written)

    ended = senses("doctor", *(("--report", "report.json") if with_report else ()))

    assert ended.exit_code == status
    assert (bool(checks.arguments), bool(written.arguments)) == (not with_report, with_report)


def test_demo_takes_a_folder_sentences_and_a_model_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, run = Recorder("the plan"), Recorder()
    monkeypatch.setattr(demo, "plan_run", plan)
    monkeypatch.setattr(demo, "run_demo", run)

    senses("demo")
    assert (plan.arguments[1:], plan.options) == ((None, 6, ("", "", "", "")), {"starters": False, "real": False})
    senses(
        "demo",
        "--folder",
        "/f",
        "--sentences",
        "1",
        "--starters",
        *["--say", "a", "--hear", "b", "--draw", "c", "--see", "d"],
    )
    assert (plan.arguments[1:], plan.options) == (
        (Path("/f"), 1, ("a", "b", "c", "d")),
        {"starters": True, "real": False},
    )
    senses("demo", "--real")
    assert plan.options == {"starters": False, "real": True}
    assert run.arguments[0] == "the plan"
    assert {senses("demo", "--sentences", count).exit_code for count in ("0", "7")} == {2}


def test_an_error_is_one_sentence_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "pull_model", Recorder(InvalidInput("There is no such model.")))

    ended = senses("pull", "nothing")

    assert (ended.exit_code, ended.stderr, ended.stdout) == (1, "There is no such model.\n", "")


def test_a_setting_that_cannot_be_used_is_told_by_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_PORT", "none")

    for command in (("serve",), ("status",), ("models",), ("pull", "x"), ("doctor",), ("demo",)):
        ended = senses(*command)
        assert (ended.exit_code, ended.stderr[:22]) == (1, "SENSES_PORT is 'none'.")


def test_status_and_stop_say_that_nothing_runs() -> None:
    for command in ("status", "stop"):
        ended = senses(command)
        assert ended.exit_code == 1
        assert ended.stderr.startswith("Senses is not running.")


def test_the_models_are_listed_and_the_version_and_the_commands_are_told() -> None:
    assert "vlm-starter" in senses("models").stdout
    assert senses("--version").stdout == f"Senses {VERSION}\n"
    shown = senses("--help").stdout
    assert all(
        command in shown for command in ("serve", "status", "stop", "models", "pull", "install", "doctor", "demo")
    )
    assert senses("-V").stdout == senses("--version").stdout
    assert senses("-h").stdout == shown
    assert senses("models", "-h").stdout == senses("models", "--help").stdout
    assert "Usage: senses" in senses().output
