import base64
import json
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mcp_server.client_setup.clients import CLIENT_CONFIGS, MEDIA_FOLDERS, ClientConfig
from mcp_server.client_setup.config_files import (
    ClientConfigError,
    ConfigChange,
    install_link,
    plan_edit,
    server_entry,
)
from mcp_server.client_setup.file_formats import TOML

REPOSITORY = Path(__file__).parents[3]
DOCUMENTED = "/path/to/senses/.venv/bin/senses-mcp"
ENTRY = {"command": "/opt/senses-mcp", "args": []}
OLD_TOML = 'theme = "dark"  # as it should be\n\n[mcp_servers.other]\ncommand = "x"\n'


@pytest.mark.promise("install:keeps")
@pytest.mark.parametrize("setup", CLIENT_CONFIGS.values(), ids=CLIENT_CONFIGS)
def test_a_clients_other_settings_stay_and_the_old_file_is_kept(setup: ClientConfig, tmp_path: Path) -> None:
    path = setup.config_path(tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_toml = setup.file_format is TOML
    old = OLD_TOML if is_toml else json.dumps({"theme": "dark", setup.servers_key: {"other": {"command": "x"}}})
    path.write_text(old)

    backup = plan_edit(setup, tmp_path, ENTRY).write()

    assert setup.file_format.parse(path.read_text()) == {
        "theme": "dark",
        setup.servers_key: {"other": {"command": "x"}, "senses": ENTRY},
    }
    assert backup is not None
    assert backup.read_text() == old


def test_setting_up_twice_changes_nothing(tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["cursor"]
    plan_edit(setup, tmp_path, ENTRY).write()

    assert not plan_edit(setup, tmp_path, ENTRY).is_needed


def test_undoing_leaves_the_rest(tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["cursor"]
    plan_edit(setup, tmp_path, ENTRY).write()
    other = json.loads(setup.config_path(tmp_path).read_text())
    other["mcpServers"]["other"] = {"command": "x"}
    setup.config_path(tmp_path).write_text(json.dumps(other))

    plan_edit(setup, tmp_path, None).write()

    assert json.loads(setup.config_path(tmp_path).read_text()) == {"mcpServers": {"other": {"command": "x"}}}


@pytest.mark.parametrize("content", ["{ // a comment\n}", "[]", '{"mcpServers": []}'])
def test_a_file_that_is_not_understood_is_left_alone_with_what_to_paste(content: str, tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["cursor"]
    path = setup.config_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(content)

    with pytest.raises(ClientConfigError, match="does not change it") as error:
        plan_edit(setup, tmp_path, ENTRY)

    assert '"/opt/senses-mcp"' in error.value.message
    assert path.read_text() == content


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["cursor"]
    setup.config_path(tmp_path).parent.mkdir(parents=True)
    setup.config_path(tmp_path).write_text("")

    plan_edit(setup, tmp_path, ENTRY).write()

    assert json.loads(setup.config_path(tmp_path).read_text()) == {"mcpServers": {"senses": ENTRY}}


def test_a_linked_configuration_stays_a_link(tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["cursor"]
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    setup.config_path(tmp_path).parent.mkdir(parents=True)
    setup.config_path(tmp_path).symlink_to(real)

    plan_edit(setup, tmp_path, ENTRY).write()

    assert setup.config_path(tmp_path).is_symlink()
    assert "senses" in real.read_text()


def test_a_configuration_with_keys_in_it_stays_private(tmp_path: Path) -> None:
    setup = CLIENT_CONFIGS["claude-code"]
    setup.config_path(tmp_path).write_text('{"oauth": "secret"}')
    setup.config_path(tmp_path).chmod(0o600)

    backup = plan_edit(setup, tmp_path, ENTRY).write()

    assert backup is not None
    assert [stat.S_IMODE(path.stat().st_mode) for path in (setup.config_path(tmp_path), backup)] == [0o600, 0o600]


def test_a_desktop_app_gets_the_media_folders_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSES_HOME", raising=False)
    (tmp_path / "Pictures").mkdir()

    made = server_entry(CLIENT_CONFIGS["claude-desktop"], "/opt/senses-mcp", [], tmp_path)
    chosen = server_entry(CLIENT_CONFIGS["claude-desktop"], "/opt/senses-mcp", ["/data"], tmp_path)

    assert made == {"command": "/opt/senses-mcp", "args": [str(tmp_path / "Pictures")]}
    assert chosen["args"] == ["/data"]


def test_another_instance_is_named_in_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("SENSES_HOME", "srv/senses")

    made = server_entry(CLIENT_CONFIGS["vscode"], "/opt/senses-mcp", [], tmp_path)

    assert made == {
        "type": "stdio",
        "command": "/opt/senses-mcp",
        "env": {"SENSES_HOME": "/srv/senses"},
    }


def documented(client: str, key: str) -> dict[str, Any]:
    """Return the entry that the README shows for a client."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"\*\*{client}\*\*[^`].*?```json\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    entry: dict[str, Any] = json.loads(block[1])[key]["senses"]
    return entry


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Return the installer's entry of each client, for the path that the README uses."""
    monkeypatch.delenv("SENSES_HOME", raising=False)
    return {client: server_entry(setup, DOCUMENTED, [], tmp_path) for client, setup in CLIENT_CONFIGS.items()}


@pytest.mark.promise("install:links")
def test_cursors_link_holds_the_entry_of_the_readme(made: dict[str, dict[str, Any]]) -> None:
    address = urlsplit(install_link(CLIENT_CONFIGS["cursor"], made["cursor"]))
    values = parse_qs(address.query)

    assert (address.scheme, address.netloc, address.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert values["name"] == ["senses"]
    assert json.loads(base64.b64decode(values["config"][0])) == documented("Cursor", "mcpServers")


@pytest.mark.promise("install:links")
def test_vs_codes_link_holds_the_entry_of_the_readme(made: dict[str, dict[str, Any]]) -> None:
    address = urlsplit(install_link(CLIENT_CONFIGS["vscode"], made["vscode"]))

    assert (address.scheme, address.path) == ("vscode", "mcp/install")
    assert json.loads(unquote(address.query)) == {"name": "senses"} | documented("VS Code", "servers")


@pytest.mark.parametrize("client", ["claude-desktop", "claude-code"])
def test_a_client_without_links_is_named(client: str, made: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(ClientConfigError, match=f"{CLIENT_CONFIGS[client].title} has no install links"):
        install_link(CLIENT_CONFIGS[client], made[client])


def test_readme_example_and_installer_give_a_desktop_app_the_same_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SENSES_HOME", raising=False)
    for name in MEDIA_FOLDERS:
        (tmp_path / name).mkdir()
    example = json.loads((REPOSITORY / "claude_desktop_config.example.json").read_text())["mcpServers"]["senses"]

    made = server_entry(CLIENT_CONFIGS["claude-desktop"], DOCUMENTED, [], tmp_path)

    assert made == example | {"args": [folder.replace("~", str(tmp_path)) for folder in example["args"]]}
    assert documented("Claude Desktop", "mcpServers") == {"command": made["command"]}


def test_a_change_is_needed_unless_the_file_means_the_same() -> None:
    path, new = Path("mcp.json"), '{"servers": {}}'

    assert ConfigChange(path, None, new).is_needed
    assert ConfigChange(path, "", new).is_needed
    assert ConfigChange(path, "{}", new).is_needed
    assert not ConfigChange(path, '{ "servers":{} }', new).is_needed
    assert not ConfigChange(path, "", "{}").is_needed
