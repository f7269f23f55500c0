import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from mcp_server.cli.banner import banner
from mcp_server.client_setup.snippets import InstalledCommands, client_snippets
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.cli.test_models import MODELS
from tests.mcp_server.daemons import running_daemon

COMMANDS = InstalledCommands("senses", "/opt/my apps/senses-mcp")


def test_a_person_reads_where_everything_is_and_who_answers(settings: Settings) -> None:
    text = banner("http://127.0.0.1:7367", settings, COMMANDS, MODELS, apple_gpu=False)

    for part in (
        "http://127.0.0.1:7367/v1",
        "http://127.0.0.1:7367/mcp",
        str(settings.folders.artifacts),
        str(settings.folders.logs),
        "claude mcp add --scope user senses -- '/opt/my apps/senses-mcp'",
        "senses install --client claude-desktop",
        '{"mcpServers": {"senses": {"command": "/opt/my apps/senses-mcp"}}}',
        "senses pull vlm-best",
        "no Apple GPU, so the defaults are\n  the built-in starter models",
    ):
        assert part in text


def test_another_instance_is_named_to_its_clients() -> None:
    lines = dict(client_snippets(InstalledCommands("/opt/senses", "/opt/senses-mcp", "/srv/my senses")))

    assert lines["Claude Code"] == (
        "claude mcp add --env 'SENSES_HOME=/srv/my senses' --scope user senses -- /opt/senses-mcp"
    )
    assert '"env": {"SENSES_HOME": "/srv/my senses"}' in lines["Others"]


@pytest.mark.promise("serve:key-hidden")
def test_the_key_is_never_printed(settings: Settings) -> None:
    settings = replace(settings, api_key="a-secret-key")

    text = banner("http://127.0.0.1:7367", settings, COMMANDS, MODELS, apple_gpu=False)

    assert "a-secret-key" not in text
    assert text.count('-H "authorization: Bearer $SENSES_API_KEY"') == 4
    assert "export SENSES_API_KEY" in text


@pytest.mark.process
@pytest.mark.promise("serve:copyable")
@pytest.mark.parametrize("api_key", ["", "secret"])
async def test_every_command_that_is_shown_works_when_it_is_pasted(
    settings: Settings, paths: InstancePaths, project: Path, api_key: str
) -> None:
    (project / "picture.png").write_bytes((project / "red.png").read_bytes())
    (project / "recording.wav").write_bytes((project / "beep.wav").read_bytes())
    settings = replace(settings, api_key=api_key)

    async with running_daemon(settings, paths) as info:
        text = banner(info.url, settings, COMMANDS, MODELS, apple_gpu=False)
        commands = re.findall(r"^  (curl .*)$", text, re.MULTILINE)
        environ = os.environ | {"SENSES_API_KEY": api_key}
        answers = [await anyio.run_process(["sh", "-c", command], cwd=project, env=environ) for command in commands]

    assert len(commands) == 4
    assert all(shlex.split(command)[0] == "curl" for command in commands)
    assert b"A red circle on a white background." in answers[0].stdout
    assert (project / "drawing.png").read_bytes()[:4] == b"\x89PNG"
    assert b"a red circle" in answers[2].stdout
    assert len((project / "speech.mp3").read_bytes()) > 1000
