"""What `senses install` adds to a client goes again without a trace, in each client's own format."""

import json
import tomllib
from pathlib import Path

import pytest

from mcp_server.cli.install import install_text
from mcp_server.client_setup.clients import CLIENT_CONFIGS
from mcp_server.client_setup.config_files import ClientConfigError, plan_edit, server_entry
from mcp_server.client_setup.file_formats import TOML, edit_toml, show_toml

JSON_FILES = (None, "", "{}", '{"a":1,\n\t"KEY": {"other": {"command": "x"}} }', '{"KEY": {}, "b": [1, 2]}')
TOML_FILES = (
    None,
    "",
    "# mine\nmodel = 'o3'",
    '[mcp_servers.other]\ncommand = "x"  # theirs\n\n[tui]\ntheme = "dark"\n',
)
CASES = [
    (client, old if old is None else old.replace("KEY", setup.servers_key))
    for client, setup in CLIENT_CONFIGS.items()
    for old in (TOML_FILES if setup.file_format is TOML else JSON_FILES)
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    for name in ("CODEX_HOME", "XDG_CONFIG_HOME", "SENSES_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_install(client: str, *folders: str, undo: bool = False) -> str:
    return install_text(client, [Path(folder) for folder in folders], undo=undo, dry_run=False, link=False)


@pytest.mark.promise("install:undo")
@pytest.mark.parametrize(("client", "old"), CASES)
def test_undoing_leaves_every_file_as_it_was(home: Path, client: str, old: str | None) -> None:
    path = CLIENT_CONFIGS[client].config_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    if old is not None:
        path.write_text(old)
    before = files_in(home)

    run_install(client)
    run_install(client, "/other/folder")
    between = files_in(home)
    undone = run_install(client, undo=True)
    again = run_install(client, undo=True)

    assert "senses-mcp" in between[str(path.relative_to(home))].decode()
    assert files_in(home) == before
    assert str(path) in undone
    assert "nothing changed" in again


@pytest.mark.parametrize("client", CLIENT_CONFIGS)
def test_what_the_user_changed_meanwhile_stays(home: Path, client: str) -> None:
    setup = CLIENT_CONFIGS[client]
    path, parse = setup.config_path(home), setup.file_format.parse
    is_toml = setup.file_format is TOML
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\n" if is_toml else '{"x": 1}')
    run_install(client)
    text = path.read_text()
    path.write_text(text.replace("x = 1", "x = 2") if is_toml else text.replace('"x": 1', '"x": 2'))

    run_install(client, undo=True)

    assert {key: value for key, value in parse(path.read_text()).items() if value} == {"x": 2}


def test_codex_has_the_entry_that_its_own_command_writes_and_time_for_the_daemon(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSES_HOME", "/srv/my senses")

    entry = server_entry(CLIENT_CONFIGS["codex"], "/opt/senses-mcp", ['/a "b"'], home)
    text = show_toml("mcp_servers", "senses", entry)

    assert text.splitlines() == [
        "[mcp_servers.senses]",
        'command = "/opt/senses-mcp"',
        'args = ["/a \\"b\\""]',
        "startup_timeout_sec = 60",
        "",
        "[mcp_servers.senses.env]",
        'SENSES_HOME = "/srv/my senses"',
    ]
    assert tomllib.loads(text)["mcp_servers"]["senses"] == entry


def test_opencode_and_gemini_cli_have_their_own_forms(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_HOME", "/srv/senses")

    opencode = server_entry(CLIENT_CONFIGS["opencode"], "/opt/senses-mcp", ["/a"], home)
    gemini = server_entry(CLIENT_CONFIGS["gemini-cli"], "/opt/senses-mcp", ["/a"], home)

    environment = {"SENSES_HOME": "/srv/senses"}
    assert opencode == {
        "type": "local",
        "command": ["/opt/senses-mcp", "/a"],
        "enabled": True,
        "timeout": 60_000,
        "environment": environment,
    }
    assert gemini == {"command": "/opt/senses-mcp", "args": ["/a"], "env": environment}


def test_a_clients_own_folder_is_used_where_it_is_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_HOME", str(home / "codex"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    (home / "xdg" / "opencode").mkdir(parents=True)
    (home / "xdg" / "opencode" / "opencode.jsonc").write_text("{}")

    run_install("codex")
    run_install("opencode")

    assert {name for name in files_in(home) if not name.endswith(".before-senses")} == {
        "codex/config.toml",
        "codex/skills/senses/SKILL.md",
        "xdg/opencode/opencode.jsonc",
        "xdg/opencode/skills/senses/SKILL.md",
    }


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = { senses = { command = "x" } }\n',
        'mcp_servers.senses.command = "x"\n',
        "mcp_servers = 3\n",
        "broken\n",
    ],
)
def test_a_toml_file_that_is_written_otherwise_is_left_alone_with_what_to_paste(home: Path, text: str) -> None:
    setup = CLIENT_CONFIGS["codex"]
    path = setup.config_path(home)
    path.parent.mkdir(parents=True)
    path.write_text(text)

    with pytest.raises(ClientConfigError, match="does not change it") as error:
        plan_edit(setup, home, server_entry(setup, "/opt/senses-mcp", [], home))

    assert "[mcp_servers.senses]\ncommand = " in error.value.message
    assert path.read_text() == text


def test_a_table_inside_a_text_is_not_taken_for_one() -> None:
    text = 'note = """\n[mcp_servers.senses]\nkeep me\n"""\n'

    with pytest.raises(ValueError, match="does not edit"):
        edit_toml(text, "mcp_servers", "senses", {"command": "x"})


def test_every_table_of_the_entry_is_replaced_and_its_neighbours_stay() -> None:
    text = (
        '[mcp_servers.senses]\ncommand = "old"\n[mcp_servers."senses".env]\nA = "1"\n'
        '# of others\n[mcp_servers.senses_two]\ncommand = "y"\n[[profiles]]\nname = "z"\n'
    )

    new = edit_toml(text, "mcp_servers", "senses", {"command": "new"})

    assert tomllib.loads(new) == {
        "mcp_servers": {"senses": {"command": "new"}, "senses_two": {"command": "y"}},
        "profiles": [{"name": "z"}],
    }
    assert json.dumps(text) != json.dumps(new)
