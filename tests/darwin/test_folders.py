"""Files of clients on macOS: temporary folders behind a link, and disks that ignore case."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from PIL import Image

from mcp_server.files.client import ClientConnection
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import open_server

pytestmark = pytest.mark.usefixtures("getpath")


def picture_in(folder: Path, name: str) -> None:
    """Make a picture, and the folders above it."""
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 48), "red").save(folder / name, "PNG")


async def is_read(settings: Settings, address: Path, folder: Path) -> bool:
    """Return whether a client that may use a folder may look at a picture."""
    client = ClientConnection(folder, (folder,))
    async with open_server(FakeService(), settings, client) as server, Client(server) as connection:
        result = await connection.call_tool("describe_image", {"image": str(address)})
    return not result.is_error


def true_spelling(path: str) -> str:
    """Return a path as the disk stores it; names that are not there stay as they are."""
    found = Path("/")
    for part in Path(path).parts[1:]:
        names = os.listdir(found) if found.is_dir() else []  # noqa: PTH208 - names alone
        found /= next((name for name in names if name.casefold() == part.casefold()), part)
    return str(found)


@pytest.fixture
def case_insensitive_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find files by any spelling of their path, as APFS does unless it was made case-sensitive."""

    def insensitive(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            is_path = isinstance(path, str | os.PathLike) and os.path.isabs(path) and not os.path.lexists(path)  # noqa: PTH117
            return function(true_spelling(os.fspath(path)) if is_path else path, *arguments, **options)

        return call

    opened = insensitive(os.open)
    monkeypatch.setattr(os, "open", opened)


@pytest.mark.promise("macos:folders")
async def test_a_file_in_a_temporary_folder_behind_a_link_is_read_by_either_path(
    settings: Settings, tmp_path: Path
) -> None:
    real = tmp_path / "private" / "var" / "folders" / "xx" / ("y" * 30) / "T"  # as /var is a link to /private/var
    picture_in(real, "red.png")
    (tmp_path / "var").symlink_to(tmp_path / "private" / "var")
    linked = tmp_path / "var" / "folders" / "xx" / ("y" * 30) / "T"

    read = [
        await is_read(settings, address / "red.png", folder) for folder in (real, linked) for address in (real, linked)
    ]

    assert read == [True] * 4


@pytest.mark.usefixtures("case_insensitive_disk")
@pytest.mark.promise("macos:folders")
@pytest.mark.parametrize("spelling", ["Pictures/Red.PNG", "pictures/red.png", "PICTURES/RED.PNG"])
async def test_a_file_is_read_by_every_spelling_of_its_folder_and_its_name(
    settings: Settings, tmp_path: Path, spelling: str
) -> None:
    picture_in(tmp_path / "Pictures", "Red.PNG")

    assert await is_read(settings, tmp_path / spelling, tmp_path / "pictures")


@pytest.mark.usefixtures("case_insensitive_disk")
@pytest.mark.parametrize("spelling", ["pictures/inside/red.png", "Pictures/../SECRET/red.png"])
async def test_no_spelling_leads_out_of_the_folder(settings: Settings, tmp_path: Path, spelling: str) -> None:
    picture_in(tmp_path / "Secret", "red.png")
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "Inside").symlink_to(tmp_path / "Secret")

    assert not await is_read(settings, tmp_path / spelling, tmp_path / "Pictures")
