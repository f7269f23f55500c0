"""The skill that tells an agent when to call what."""

import json
import re
from pathlib import Path

import pytest

from mcp_server.client_setup.clients import CLIENT_CONFIGS
from mcp_server.client_setup.skill_files import AGENT_FILES, remove_skill, skill_files, write_skill
from tests.mcp_server.conftest import Connect

TEXT = (AGENT_FILES / "SKILL.md").read_text(encoding="utf-8")
SKILL_CLIENTS = {"claude-code", "cursor", "codex", "opencode", "gemini-cli"}


def test_the_skill_is_what_every_client_takes_for_one() -> None:
    front = re.match(r"---\nname: (?P<name>.+)\ndescription: (?P<description>.+)\n---\n", TEXT)

    assert front is not None
    assert front["name"] == "senses"
    assert len(front["description"]) <= 1_024  # agentskills.io, "description"
    assert ": " not in front["description"]  # plain YAML
    assert len(TEXT) < 4_000


@pytest.mark.promise("install:skill")
async def test_the_skill_names_tools_and_arguments_that_exist_and_every_tool_of_the_senses(connect: Connect) -> None:
    async with connect() as client:
        tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}

    calls = re.findall(r"`(\w+)\((.*?)\)`", TEXT)
    assert calls
    for name, arguments in calls:
        assert re.findall(r"(\w+)(?:=[^,]+)?(?:, |$)", arguments) == [
            argument for argument in re.findall(r"(\w+)(?:=[^,]+)?(?:, |$)", arguments) if argument in tools[name]
        ]
    assert tools.keys() - {name for name, _ in calls} <= {"cancel_job", "manage_model"}


def test_clients_with_skills_get_it_in_their_own_folder(tmp_path: Path) -> None:
    with_skills = {name for name, setup in CLIENT_CONFIGS.items() if setup.skills_folder is not None}

    assert with_skills == SKILL_CLIENTS
    assert [name for name in with_skills if CLIENT_CONFIGS[name].has_plugins] == ["claude-code"]


@pytest.mark.promise("install:skill")
def test_a_plugin_has_a_manifest_and_goes_with_its_folders(tmp_path: Path) -> None:
    folder = tmp_path / "skills" / "senses"
    files = skill_files(folder, is_plugin=True)

    write_skill(files)
    write_skill(files)
    manifest = json.loads((folder / ".claude-plugin" / "plugin.json").read_text())
    removed = remove_skill(files, folder)

    assert manifest["name"] == "senses"
    assert removed
    assert [*tmp_path.iterdir()] == [tmp_path / "skills"]
    assert not remove_skill(files, folder)


def test_files_of_the_user_beside_the_skill_stay(tmp_path: Path) -> None:
    files = skill_files(tmp_path / "senses", is_plugin=False)
    write_skill(files)
    (tmp_path / "senses" / "notes.md").write_text("mine")

    remove_skill(files, tmp_path / "senses")

    assert [path.name for path in (tmp_path / "senses").iterdir()] == ["notes.md"]
