import json
import stat
from pathlib import Path

import pytest

from mcp_server.setups import SETUPS, Setup, SetupError, add, entry, remove

ENTRY = {"command": "/opt/senses-mcp", "args": []}


@pytest.mark.promise("install:keeps")
@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_a_clients_other_settings_stay_and_the_old_file_is_kept(setup: Setup, tmp_path: Path) -> None:
    path = setup.path(tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    old = json.dumps({"theme": "dark", setup.key: {"other": {"command": "x"}}})
    path.write_text(old)

    backup = add(setup, tmp_path, ENTRY).make()

    assert json.loads(path.read_text()) == {"theme": "dark", setup.key: {"other": {"command": "x"}, "senses": ENTRY}}
    assert backup is not None
    assert backup.read_text() == old


def test_setting_up_twice_changes_nothing(tmp_path: Path) -> None:
    setup = SETUPS["cursor"]
    add(setup, tmp_path, ENTRY).make()

    assert not add(setup, tmp_path, ENTRY).needed


def test_undoing_leaves_the_rest(tmp_path: Path) -> None:
    setup = SETUPS["cursor"]
    add(setup, tmp_path, ENTRY).make()
    other = json.loads(setup.path(tmp_path).read_text())
    other["mcpServers"]["other"] = {"command": "x"}
    setup.path(tmp_path).write_text(json.dumps(other))

    remove(setup, tmp_path).make()

    assert json.loads(setup.path(tmp_path).read_text()) == {"mcpServers": {"other": {"command": "x"}}}


@pytest.mark.parametrize("content", ["{ // a comment\n}", "[]", '{"mcpServers": []}'])
def test_a_file_that_is_not_understood_is_left_alone_with_what_to_paste(content: str, tmp_path: Path) -> None:
    setup = SETUPS["cursor"]
    path = setup.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(content)

    with pytest.raises(SetupError, match="leaves it alone") as error:
        add(setup, tmp_path, ENTRY)

    assert '"/opt/senses-mcp"' in error.value.message
    assert path.read_text() == content


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    setup = SETUPS["cursor"]
    setup.path(tmp_path).parent.mkdir(parents=True)
    setup.path(tmp_path).write_text("")

    add(setup, tmp_path, ENTRY).make()

    assert json.loads(setup.path(tmp_path).read_text()) == {"mcpServers": {"senses": ENTRY}}


def test_a_linked_configuration_stays_a_link(tmp_path: Path) -> None:
    setup = SETUPS["cursor"]
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    setup.path(tmp_path).parent.mkdir(parents=True)
    setup.path(tmp_path).symlink_to(real)

    add(setup, tmp_path, ENTRY).make()

    assert setup.path(tmp_path).is_symlink()
    assert "senses" in real.read_text()


def test_a_configuration_with_keys_in_it_stays_private(tmp_path: Path) -> None:
    setup = SETUPS["claude-code"]
    setup.path(tmp_path).write_text('{"oauth": "secret"}')
    setup.path(tmp_path).chmod(0o600)

    backup = add(setup, tmp_path, ENTRY).make()

    assert backup is not None
    assert [stat.S_IMODE(path.stat().st_mode) for path in (setup.path(tmp_path), backup)] == [0o600, 0o600]


def test_a_desktop_app_gets_the_media_folders_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSES_HOME", raising=False)
    (tmp_path / "Pictures").mkdir()

    made = entry(SETUPS["claude-desktop"], "/opt/senses-mcp", [], tmp_path)
    chosen = entry(SETUPS["claude-desktop"], "/opt/senses-mcp", ["/data"], tmp_path)

    assert made == {"command": "/opt/senses-mcp", "args": [str(tmp_path / "Pictures")]}
    assert chosen["args"] == ["/data"]


def test_another_instance_is_named_in_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("SENSES_HOME", "srv/senses")

    made = entry(SETUPS["vscode"], "/opt/senses-mcp", [], tmp_path)

    assert made == {
        "type": "stdio",
        "command": "/opt/senses-mcp",
        "args": [],
        "env": {"SENSES_HOME": "/srv/senses"},
    }
