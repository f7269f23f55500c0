"""`senses folders`, as a person types it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_server.cli.main import app
from mcp_server.files.grants import FolderGrantStore
from model_runtime.settings import Settings

Senses = Callable[..., Result]


@pytest.fixture
def senses(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Senses:
    monkeypatch.setenv("SENSES_HOME", str(settings.folders.data))
    monkeypatch.setenv("HOME", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, ["folders", *arguments])


@pytest.fixture
def desktop(tmp_path: Path) -> Path:
    folder = tmp_path / "Desktop"
    folder.mkdir()
    return folder


@pytest.mark.promise("consent:listed")
def test_a_folder_is_granted_listed_and_revoked(senses: Senses, desktop: Path, settings: Settings) -> None:
    added = senses("add", "~/Desktop", "--write", "--client", "claude-code")
    listed = senses()
    (grant,) = FolderGrantStore(settings.folders).all()
    revoked = senses("revoke", "~/Desktop")

    assert added.output == (
        f"Now claude-code may read and write {desktop}. `senses folders revoke {grant.id}` withdraws it.\n"
    )
    assert all(part in listed.output for part in (str(desktop), "write", "claude-code", grant.id))
    assert revoked.output == f"No longer: claude-code may read and write {desktop}.\n"
    assert "No folder is granted." in senses().output
    assert str(settings.folders.inbox) in senses().output


def test_a_link_is_granted_by_the_folder_behind_it(senses: Senses, desktop: Path, settings: Settings) -> None:
    (desktop.parent / "link").symlink_to(desktop)

    senses("add", str(desktop.parent / "link"))

    assert [(grant.client, grant.folder) for grant in FolderGrantStore(settings.folders).all()] == [("", desktop)]


def test_a_grant_is_revoked_by_its_id_although_its_folder_has_gone(
    senses: Senses, desktop: Path, settings: Settings
) -> None:
    senses("add", str(desktop))
    os.rmdir(desktop)  # noqa: PTH106
    (grant,) = FolderGrantStore(settings.folders).all()

    assert senses("revoke", grant.id).exit_code == 0
    assert FolderGrantStore(settings.folders).all() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "~/none"), "There is no folder"),
        (("add", "~"), "private data"),
        (("add", "/"), "private data"),
        (("revoke", "nothing"), "nothing is not granted"),
    ],
)
def test_what_cannot_be_granted_or_revoked_says_why(senses: Senses, arguments: tuple[str, str], says: str) -> None:
    refused = senses(*arguments)

    assert refused.exit_code == 1
    assert says in refused.output
