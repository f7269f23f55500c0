"""`senses config`: what is in force and why, and changes that lose nothing of the file."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_server.cli.main import app

WRITTEN = """\
# my Mac mini
port = 8000  # the old one is taken

[memory]
# long, since I am away often
idle_seconds = 600
budget_gb = 12

# for later
[files]
allowed_folders = ["/tmp", # here
  "/var"]
"""


CANNOT = "cannot be changed without rewriting more. Edit config.toml yourself."


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """config.toml of the test's instance."""
    monkeypatch.setenv("SENSES_HOME", str(tmp_path))
    path = tmp_path / "config.toml"
    path.write_text(WRITTEN, encoding="utf-8")
    return path


def senses(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("config", *arguments))


@pytest.mark.promise("cli:config")
def test_each_setting_is_shown_with_its_value_source_and_description(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSES_API_KEY", "hush")
    monkeypatch.setenv("SENSES_MEMORY_BUDGET_GB", "4")

    shown = senses().stdout
    values = {one["key"]: one for one in map(json.loads, senses("--json").stdout.splitlines())}

    assert "# Port of the HTTP server; 0 takes a free one.\nport = 8000  # config.toml line 2\n" in shown
    assert values["memory.idle_seconds"]["source"] == "config.toml line 6"
    assert (values["host"]["value"], values["host"]["source"]) == ("127.0.0.1", "default")
    assert (values["api_key"]["value"], values["api_key"]["source"]) == ("(set)", "SENSES_API_KEY")
    assert values["memory.budget_gb"]["source"] == "SENSES_MEMORY_BUDGET_GB"
    assert "hush" not in shown


@pytest.mark.promise("cli:config")
@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("port", "9000", "port = 8000  #", "port = 9000  #"),
        ("memory.idle_seconds", "-1", "idle_seconds = 600", "idle_seconds = -1"),
        ("memory.spare", "false", "budget_gb = 12\n", "budget_gb = 12\nspare = false\n"),
        ("host", "::1", "taken\n", 'taken\nhost = "::1"\n'),
        ("mcp.tools", '["speak"]', '"/var"]\n', '"/var"]\n\n[mcp]\ntools = ["speak"]\n'),
        ("models.mine.repo", "lab/words", '"/var"]\n', '"/var"]\n\n[models.mine]\nrepo = "lab/words"\n'),
    ],
)
def test_a_change_keeps_every_comment_and_all_else(file: Path, key: str, value: str, before: str, after: str) -> None:
    ended = senses("set", key, value)

    assert ended.exit_code == 0, ended.stderr
    assert file.read_text() == WRITTEN.replace(before, after, 1)


def test_a_file_is_made_for_the_first_setting(file: Path) -> None:
    file.unlink()

    assert senses("set", "memory.idle_seconds", "60").exit_code == 0
    assert tomllib.loads(file.read_text()) == {"memory": {"idle_seconds": 60}}


@pytest.mark.promise("cli:config")
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("memory.idle", "1"), 2, "There is no setting memory.idle. Did you mean memory.idle_seconds?"),
        (("port", "high"), 2, "port is 'high'. It must be a whole number from 0 to 65535."),
        (
            ("files.allowed_folders", '["/a"]'),
            1,
            f"config.toml line 11: files.allowed_folders {CANNOT}",
        ),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_and_the_file_stays(
    file: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    ended = senses("set", *arguments)

    assert (ended.exit_code, ended.stderr) == (status, sentence + "\n")
    assert file.read_text() == WRITTEN


def test_a_variable_that_overrides_the_change_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_PORT", "1")

    assert "SENSES_PORT overrides it now." in senses("set", "port", "9000").stdout


def test_a_secret_is_not_repeated(file: Path) -> None:
    assert "hush" not in senses("set", "api_key", "hush").output
    assert tomllib.loads(file.read_text())["api_key"] == "hush"
