"""How commands end: their status, one sentence instead of a traceback, and what is lost of the output."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from mcp_server.cli.endings import WrongUse, handle_errors, run_to_end
from mcp_server.cli.main import app
from model_runtime.errors import Cancelled, InvalidInput

FULL = Path("/dev/full")


def ended(program: Callable[[], object]) -> int:
    with pytest.raises(SystemExit) as exit_info:
        run_to_end(program)
    assert isinstance(exit_info.value.code, int)
    return exit_info.value.code


@pytest.mark.promise("cli:exit-codes")
@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InvalidInput("There is no model 'x'."), 1, "There is no model 'x'."),
        (WrongUse("Name a file."), 2, "Name a file."),
        (Cancelled("Stopped. Finished files are kept."), 130, "Stopped. Finished files are kept."),
        (KeyboardInterrupt(), 130, "Stopped."),
        (PermissionError(13, "Permission denied", "/a"), 1, "/a: Permission denied."),
        (BrokenPipeError(32, "Broken pipe"), 1, "The output cannot be written: Broken pipe."),
    ],
)
def test_an_error_is_a_sentence_and_a_status(
    error: BaseException, status: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as exit_info:
        handle_errors(command)()

    assert (exit_info.value.exit_code, capsys.readouterr().err) == (status, sentence + "\n")


@pytest.mark.promise("cli:full-output")
@pytest.mark.parametrize("arguments", [("models",), ("folders",), ("--help",), ("models", "-h"), ("-V",)])
def test_a_full_output_is_one_sentence_and_a_failure(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not FULL.exists():
        pytest.skip("only Linux has /dev/full")
    monkeypatch.setenv("SENSES_HOME", str(tmp_path))
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        assert ended(lambda: app(arguments)) == 1

    assert capsys.readouterr().err == "The output cannot be written: No space left on device.\n"


@pytest.mark.promise("cli:full-output")
def test_a_reader_that_has_gone_is_one_sentence_and_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENSES_HOME", str(tmp_path))
    reader, writer = os.pipe()
    os.close(reader)
    with io.TextIOWrapper(os.fdopen(writer, "wb")) as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        assert ended(lambda: app(("models",))) == 1

    assert capsys.readouterr().err == "The output cannot be written: Broken pipe.\n"


def test_a_closed_output_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    begun: list[str] = []

    with pytest.raises(SystemExit) as exit_info:
        run_to_end(lambda: begun.append("work"))

    assert (exit_info.value.code, begun) == (
        "Standard output is closed. Redirect it to /dev/null to see nothing.",
        [],
    )


@pytest.mark.promise("cli:exit-codes")
def test_the_status_of_the_program_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    def unknown() -> None:
        app(("no-such-command",))

    assert (ended(unknown), ended(lambda: sys.exit("It failed.")), ended(lambda: None)) == (2, 1, 0)


@pytest.mark.process  # typer asks bash for its version
@pytest.mark.promise("cli:completion")
@pytest.mark.parametrize(
    ("shell", "registers"),
    [
        ("bash", "complete -o default -F _senses_completion senses"),
        ("zsh", "compdef _senses_completion senses"),
        ("fish", "complete --command senses --no-files"),
    ],
)
def test_each_shell_gets_a_script_and_the_names_of_the_commands(
    shell: str, registers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shell == "bash" and sys.platform == "darwin":
        pytest.skip("the bash of macOS, 3.2, is too old for completion")
    variable = "_SENSES_COMPLETE"

    monkeypatch.setenv(variable, f"source_{shell}")
    ended(lambda: app((), prog_name="senses"))
    script = capsys.readouterr().out
    monkeypatch.setenv(variable, f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", "senses tran")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "senses tran")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    ended(lambda: app((), prog_name="senses"))

    assert registers in script
    assert "transcribe" in capsys.readouterr().out
