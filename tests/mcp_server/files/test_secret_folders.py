"""What a question may grant, and what it names."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files.secret_folders import folder_to_ask_for, is_secret

HOME = Path("/Users/ann")
SECRETS = [
    "/",
    "/Users",
    "/Users/ann",
    "/Users/ann/.ssh",
    "/Users/ann/.gnupg/private-keys-v1.d",
    "/Users/ann/.claude",
    "/Users/ann/.claude/projects",
    "/Users/ann/project/.git",
    "/Users/ann/Library",
    "/Users/ann/Library/Keychains",
    "/Users/ann/Library/Mail/V10",
    "/Users/ann/Library/Application Support/Google/Chrome/Default",
    "/Users/ann/Library/Mobile Documents",
    "/Users/ann/snap/firefox",
    "/Users/ann/Maildir/cur",
    "/private/etc",
    "/etc/ssl",
    "/Library/Keychains",
    "/System",
    "/private/var/db",
    "/data/.cache",
]
OPEN = [
    "/Users/ann/Desktop",
    "/Users/ann/Pictures/Screenshots",
    "/Users/ann/.claude/image-cache",
    "/Users/ann/.claude/image-cache/0b3a",
    "/Users/ann/Library/Mobile Documents/com~apple~CloudDocs/Pictures",
    "/Users/ann/Library/CloudStorage/Dropbox",
    "/Volumes/Camera/DCIM",
    "/run/media/ann/Camera",
    "/private/var/folders/zz/1/T/TemporaryItems",
    "/data/shots",
]


@pytest.mark.promise("consent:secrets")
@pytest.mark.parametrize("folder", SECRETS)
def test_a_folder_with_secrets_or_above_them_is_one_of_them(folder: str) -> None:
    assert is_secret(Path(folder), HOME)


@pytest.mark.parametrize("folder", OPEN)
def test_folders_of_pictures_and_recordings_hold_none(folder: str) -> None:
    assert not is_secret(Path(folder), HOME)


@given(st.sampled_from(SECRETS), st.lists(st.sampled_from(["a", "Pictures", "DCIM"]), min_size=1, max_size=3))
def test_whatever_is_below_a_folder_with_secrets_is_one_too(folder: str, below: list[str]) -> None:
    above_others = {"/", "/Users", "/Users/ann", "/Users/ann/Library/Mobile Documents"}

    assert folder in above_others or is_secret(Path(folder, *below), HOME)


def test_a_home_among_the_folders_of_the_system_is_a_home() -> None:
    assert not is_secret(Path("/var/lib/ann/Desktop"), Path("/var/lib/ann"))
    assert is_secret(Path("/var/lib/ann/Desktop"), HOME)


@pytest.mark.darwin
def test_on_a_mac_no_spelling_of_a_secret_folder_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert all(is_secret(Path(folder.upper()), HOME) for folder in SECRETS)
    assert not any(is_secret(Path(folder.upper()), HOME) for folder in OPEN)


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/Users/ann/Desktop/a.png", "/Users/ann/Desktop"),
        ("/private/var/T/TemporaryItems/NSIRD_screencaptureui_x1/Screenshot.png", "/private/var/T/TemporaryItems"),
        ("/private/var/T/TemporaryItems/NSIRD_Preview_x1/a.png", "/private/var/T/TemporaryItems/NSIRD_Preview_x1"),
        ("/private/var/T/TemporaryItems/a.png", "/private/var/T/TemporaryItems"),
        ("/Users/ann/.claude/image-cache/0b3a/1.png", "/Users/ann/.claude/image-cache"),
    ],
)
def test_a_question_names_the_folder_of_the_file_or_what_holds_all_such_folders(path: str, folder: str) -> None:
    assert folder_to_ask_for(Path(path), HOME) == Path(folder)
