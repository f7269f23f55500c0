"""`senses demo --real` as people run it, with one of its sentences."""

import subprocess
from pathlib import Path

import pytest

from mcp_server.demo.real import EVERYDAY_SENTENCES
from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon
from tests.real_models.conftest import ANSWER_SECONDS

pytestmark = [pytest.mark.real, pytest.mark.timeout(2 * ANSWER_SECONDS)]


@pytest.mark.promise("demo:real")
def test_an_everyday_sentence_is_said_heard_and_read_from_its_picture(
    real_daemon: RunningDaemon, tmp_path: Path
) -> None:
    command = [str(BIN_FOLDER / "senses"), "demo", "--real", "--sentences", "1", "--folder", str(tmp_path / "demo")]

    demo = subprocess.run(
        command, env=real_daemon.environ, check=False, capture_output=True, encoding="utf-8", timeout=ANSWER_SECONDS
    )

    assert demo.returncode == 0, demo.stderr
    assert f"1  {EVERYDAY_SENTENCES[0]}" in demo.stdout
    assert "1 of 1 came back with the same meaning" in demo.stdout, demo.stdout
    assert "starter" not in demo.stdout
