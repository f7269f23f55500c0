"""How other programs start Senses: by its name only where that is this installation."""

import sys
from pathlib import Path

import pytest

from mcp_server.client_setup.config_files import senses_command


def program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    file = folder / "senses"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(("on_path", "is_short"), [("link", True), ("other", False), ("nothing", False)])
def test_the_short_command_is_told_only_where_the_path_leads_to_this_installation(
    on_path: str, is_short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = program(tmp_path / "venv")
    program(tmp_path / "other")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "senses").symlink_to(own)
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path / on_path))

    assert senses_command() == ("senses" if is_short else str(own))
