"""The picture on the clipboard and the newest screenshot. What a Mac's programs print is as people report it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.files import clipboard
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.files.clipboard import CLIPBOARD, clipboard_command, read_clipboard, run_command, screenshot_folder
from mcp_server.files.folders import FolderWish
from mcp_server.files.grants import FolderGrantStore
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n..."


class Programs:
    """Prints the same for every command and keeps the commands."""

    def __init__(self, output: bytes) -> None:
        self.output = output
        self.commands: list[list[str]] = []

    async def __call__(self, command: Sequence[str]) -> bytes:
        self.commands.append(list(command))
        return self.output


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


@pytest.fixture
def files(settings: Settings, project: Path, home: Path) -> ClientFiles:
    store = ArtifactStore(settings.folders.artifacts)
    return ClientFiles(ClientConnection(project, (project,)), settings, store, client_name="claude-code")


async def read(files: ClientFiles, address: str) -> bytes:
    with await files.open(address, param="image", limit_bytes=1000) as file:
        return file.read()


@pytest.mark.promise("pictures:clipboard")
async def test_the_clipboard_is_read_once_a_person_grants_it(files: ClientFiles) -> None:
    copied = replace(files, run=Programs(PNG))
    await copied.look_up(["clipboard"])
    wishes = copied.paths.missing
    with pytest.raises(InvalidInput, match=r"senses folders add clipboard --client claude-code`") as refusal:
        await read(copied, "clipboard")

    files.paths.grants.add("claude-code", "read", CLIPBOARD)

    assert [wish.folder for wish in wishes] == [CLIPBOARD]
    assert refusal.value.code == "path_not_allowed"
    assert await read(copied, "clipboard") == PNG
    await copied.look_up(["clipboard"])
    assert copied.paths.missing == ()


async def test_a_clipboard_that_a_person_refused_says_so(files: ClientFiles) -> None:
    files.client.refused.add(FolderWish("read", CLIPBOARD))

    with pytest.raises(InvalidInput, match="The user has refused it in this session"):
        await read(files, "clipboard")


async def test_a_granted_clipboard_opens_no_folder_of_its_name(files: ClientFiles, settings: Settings) -> None:
    FolderGrantStore(settings.folders).add("", "write", CLIPBOARD)

    with pytest.raises(InvalidInput, match="not in a folder"):
        await read(files, "/clipboard/a.png")
    with pytest.raises(InvalidInput, match="not in a folder"):
        await files.resolve_destination("/clipboard/a.png", (".png",), overwrite=False)


async def test_a_clipboard_without_a_picture_says_so(files: ClientFiles) -> None:
    files.paths.grants.add("", "read", CLIPBOARD)

    with pytest.raises(InvalidInput, match="The clipboard holds no picture, or xclip cannot read it here") as refusal:
        await read(replace(files, run=Programs(b"")), "clipboard")

    assert (refusal.value.param, refusal.value.code) == ("image", "not_found")


def test_on_linux_the_program_is_that_of_the_display_server() -> None:
    assert clipboard_command({"WAYLAND_DISPLAY": "wayland-0"})[0] == "wl-paste"
    assert clipboard_command({"DISPLAY": ":0"})[0] == "xclip"


@pytest.mark.darwin
async def test_on_a_mac_applescript_prints_the_picture_in_hexadecimal_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    programs = Programs("«data PNGf".encode() + PNG.hex().upper().encode() + "»\n".encode())

    assert await read_clipboard("image", programs) == PNG
    assert programs.commands == [["/usr/bin/osascript", "-e", "the clipboard as «class PNGf»"]]
    with pytest.raises(InvalidInput, match="holds no picture"):
        await read_clipboard("image", Programs(b""))


@pytest.mark.darwin
@pytest.mark.parametrize(
    ("setting", "folder"), [(b"", "Desktop"), (b"~/Pictures/Shots\n", "Pictures/Shots"), (b"/Volumes/Shots\n", None)]
)
async def test_on_a_mac_screenshots_are_where_its_setting_says(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: bytes, folder: str | None
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    programs = Programs(setting)

    assert await screenshot_folder(programs) == (home / folder if folder else Path("/Volumes/Shots"))
    assert programs.commands == [["/usr/bin/defaults", "read", "com.apple.screencapture", "location"]]


async def test_on_linux_screenshots_are_in_the_pictures(home: Path) -> None:
    without = await screenshot_folder(Programs(b""))
    (home / "Pictures" / "Screenshots").mkdir(parents=True)

    assert without == home / "Pictures"
    assert await screenshot_folder(Programs(b"")) == home / "Pictures" / "Screenshots"


@pytest.mark.promise("pictures:screenshot")
async def test_the_newest_screenshot_is_read_and_named_once_its_folder_is_granted(
    files: ClientFiles, home: Path
) -> None:
    folder = home / "Pictures" / "Screenshots"
    folder.mkdir(parents=True)
    for age, name in enumerate(["new.PNG", "old.png", ".hidden.png", "notes.txt"]):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1000 - age + 100 * (name[0] in ".n" and name != "new.PNG"),) * 2)
    (folder / "link.png").symlink_to(folder / "old.png")
    await files.look_up(["screenshot"])
    (wish,) = files.paths.missing
    with pytest.raises(InvalidInput, match="screenshot is not in a folder that this client may read"):
        await read(files, "screenshot")

    files.paths.grants.add("claude-code", "read", folder)

    assert wish.folder == folder
    assert await read(files, "screenshot") == b"new.PNG"
    assert files.notes == [f"screenshot is {folder / 'new.PNG'}."]


@pytest.mark.parametrize("exists", [True, False])
async def test_a_folder_without_pictures_is_named(files: ClientFiles, home: Path, exists: bool) -> None:
    if exists:
        (home / "Pictures").mkdir()
    files.paths.grants.add("", "read", home / "Pictures")

    with pytest.raises(InvalidInput, match="Pictures") as refusal:
        await read(files, "screenshot")

    assert (refusal.value.param, refusal.value.code) == ("image", "not_found")


async def test_a_file_of_that_name_is_read_as_a_path(files: ClientFiles, project: Path) -> None:
    (project / "screenshot").write_bytes(b"file")

    assert await read(files, "./screenshot") == b"file"


@pytest.mark.process
async def test_a_program_that_fails_is_missing_prints_too_much_or_takes_too_long_prints_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def python(code: str) -> list[str]:
        return [sys.executable, "-S", "-c", code]

    monkeypatch.setattr(clipboard, "MAX_OUTPUT_BYTES", 100_000)

    assert await run_command(python("print('out')")) == b"out\n"
    assert await run_command(python("print('out'); raise SystemExit(1)")) == b""
    assert await run_command(["/nowhere/program"]) == b""
    assert await run_command(python("while True: print('x' * 10_000)")) == b""
    monkeypatch.setattr(clipboard, "COMMAND_SECONDS", 0.5)
    assert await run_command(python("import time; print('x', flush=True); time.sleep(60)")) == b""
