"""Where macOS may not let Claude Desktop start Senses, and who says so."""

import sys
from pathlib import Path, PurePosixPath

import pytest

from mcp_server.cli import doctor
from mcp_server.cli.install import install_text
from mcp_server.client_setup import location
from mcp_server.client_setup.location import location_warning
from mcp_server.launcher.connect import START_TIMEOUT_SECONDS
from model_runtime.settings import Settings

HOME = PurePosixPath("/Users/zoë")
PRIVATE = {
    "Documents/code/senses": "Documents",
    "Desktop/senses": "Desktop",
    "Downloads/senses": "Downloads",
    "Library/Mobile Documents/com~apple~CloudDocs/senses": "Library/Mobile Documents",
    "Library/CloudStorage/Dropbox/senses": "Library/CloudStorage",
}


@pytest.mark.promise("setup:location")
@pytest.mark.parametrize("folder", PRIVATE)
def test_a_private_folder_is_named_in_one_sentence_with_the_command_that_moves_senses(folder: str) -> None:
    warning = location_warning(HOME / folder, HOME)

    assert warning.startswith(
        f"macOS may not let Claude Desktop start Senses inside {HOME / PRIVATE[folder]}; type `mv "
    )
    assert warning.endswith("senses' ~/senses && cd ~/senses && make setup` to move it.")
    assert "\n" not in warning


@pytest.mark.parametrize("folder", ["/users/ZOË/documents/senses", "/Users/zoe\u0308/Documents/senses"])
def test_every_spelling_that_macos_takes_for_the_same_folder_is_found(folder: str) -> None:
    assert location_warning(PurePosixPath(folder), HOME)


@pytest.mark.parametrize(
    "folder", [HOME / "senses", HOME / "Documents2/senses", PurePosixPath("/opt/Documents/senses")]
)
def test_any_other_folder_is_fine(folder: PurePosixPath) -> None:
    assert location_warning(folder, HOME) == ""


@pytest.fixture
def in_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Play a Mac on which Senses is in ~/Documents; return the home."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(location, "CHECKOUT", tmp_path / "Documents" / "senses")
    return tmp_path


@pytest.mark.darwin
@pytest.mark.promise("setup:location")
def test_install_says_so_unless_it_removes_senses(in_documents: Path) -> None:
    written = install_text("claude-desktop", [], undo=False, dry_run=False, link=False)
    again = install_text("claude-desktop", [], undo=False, dry_run=False, link=False)
    removed = install_text("claude-desktop", [], undo=True, dry_run=False, link=False)

    warning = f"macOS may not let Claude Desktop start Senses inside {in_documents / 'Documents'}"
    assert [text.count(warning) for text in (written, again, removed)] == [1, 1, 0]


@pytest.mark.promise("setup:location")
def test_the_doctor_says_so_before_it_starts_anything(
    settings: Settings, in_documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("anyio.run", lambda *_arguments: True)

    doctor.run_checks(settings, said.append)

    assert said[1].startswith(f"note macOS may not let Claude Desktop start Senses inside {in_documents / 'Documents'}")


def test_on_another_system_no_folder_is_private(in_documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")

    assert location.current_warning() == ""


def test_a_first_start_has_a_minute() -> None:
    assert START_TIMEOUT_SECONDS == 60
