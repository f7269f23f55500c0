"""Files of clients on macOS: temporary folders behind a link, and disks that ignore case."""

import os
from pathlib import Path

import pytest

from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.broker_client import LocalFileAccess, path_of_descriptor
from mcp_server.files.client import ClientConnection
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings

BYTES = b"some bytes"
pytestmark = pytest.mark.usefixtures("getpath")


class CaseInsensitiveDisk(LocalFileAccess):
    """Opens a file by any spelling of its name, as APFS does unless it was made case-sensitive."""

    def open(self, path: Path) -> int:
        found = Path("/")
        for part in path.parts[1:]:
            found /= next((one.name for one in found.iterdir() if one.name.casefold() == part.casefold()), part)
        return super().open(found)


def read(address: Path, folder: Path, settings: Settings) -> bytes:
    """Read a file for a client that may use a folder, on a disk that ignores case."""
    client = ClientConnection(folder, (folder,), file_access=CaseInsensitiveDisk())
    files = ClientFiles(client, settings, ArtifactStore(settings.folders.artifacts))
    with files.open(str(address), param="image", limit_bytes=1000) as file:
        return file.read()


def test_an_open_file_is_named_by_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "그림.png").write_bytes(BYTES)
    descriptor = os.open(tmp_path / "그림.png", os.O_RDONLY)

    path = path_of_descriptor(descriptor)
    os.close(descriptor)

    assert path == tmp_path / "그림.png"


@pytest.mark.promise("macos:folders")
def test_a_file_in_a_temporary_folder_behind_a_link_is_read_by_either_path(settings: Settings, tmp_path: Path) -> None:
    real = tmp_path / "private" / "var" / "folders" / "xx" / ("y" * 30) / "T"  # as /var is a link to /private/var
    real.mkdir(parents=True)
    (tmp_path / "var").symlink_to(tmp_path / "private" / "var")
    linked = tmp_path / "var" / "folders" / "xx" / ("y" * 30) / "T"
    (real / "red.png").write_bytes(BYTES)

    for folder in (real, linked):
        for address in (real / "red.png", linked / "red.png"):
            assert read(address, folder, settings) == BYTES


@pytest.mark.promise("macos:folders")
def test_a_file_is_read_by_every_spelling_of_its_folder_and_its_name(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "Red.PNG").write_bytes(BYTES)

    for spelling in ("Pictures/Red.PNG", "pictures/red.png", "PICTURES/RED.PNG"):
        assert read(tmp_path / spelling, tmp_path / "pictures", settings) == BYTES


def test_no_spelling_leads_out_of_the_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Secret").mkdir()
    (tmp_path / "Secret" / "red.png").write_bytes(BYTES)
    (tmp_path / "Pictures" / "Inside").symlink_to(tmp_path / "Secret")

    for spelling in ("pictures/inside/red.png", "Pictures/../SECRET/red.png"):
        with pytest.raises(InvalidInput):
            read(tmp_path / spelling, tmp_path / "Pictures", settings)
