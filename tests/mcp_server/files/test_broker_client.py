import errno
import os
import socket
import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.files import broker_client
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.broker_client import FileBrokerClient
from mcp_server.files.client import ClientConnection
from mcp_server.launcher.broker_server import serve_file_requests
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings


@pytest.fixture
def broker() -> Generator[FileBrokerClient]:
    """A client of a file broker that runs in a thread."""
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()
    client = FileBrokerClient(ours)
    yield client
    client.close()
    shim.join(5)
    theirs.close()


def read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def test_files_are_opened_by_the_client_one_after_the_other(broker: FileBrokerClient, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")

    assert [read(broker.open(tmp_path / name)) for name in ("a", "b", "a")] == [b"first", b"second", b"first"]


def test_what_the_client_may_not_or_cannot_open_fails_as_if_it_were_opened_here(
    broker: FileBrokerClient, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(FileNotFoundError):
        broker.open(tmp_path / "none")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        broker.open(tmp_path / "link")


def test_files_are_written_by_the_client_whole_or_not_at_all(broker: FileBrokerClient, tmp_path: Path) -> None:
    broker.write(tmp_path / "new.png", b"picture")
    broker.write(tmp_path / "new.png", b"other")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        broker.write(tmp_path / "folder", b"picture")

    assert (tmp_path / "new.png").read_bytes() == b"other"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "new.png"]


def test_a_client_that_does_not_answer_holds_up_one_call_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(broker_client, "REPLY_TIMEOUT_SECONDS", 0.05)
    ours, silent = socket.socketpair()
    broker = FileBrokerClient(ours)

    with silent, pytest.raises(TimeoutError):
        broker.open(tmp_path)
    with pytest.raises(ConnectionResetError):
        broker.open(tmp_path)
    broker.close()


@pytest.mark.parametrize("answer", [b"nonsense\n", b'{"errno": "x"}\n', b'{"errno": 0}\n', b"[]\n"])
def test_an_answer_that_makes_no_sense_is_a_failure(answer: bytes, tmp_path: Path) -> None:
    ours, odd = socket.socketpair()
    odd.sendall(answer)
    broker = FileBrokerClient(ours)

    with odd, pytest.raises(OSError, match="."):
        broker.open(tmp_path)
    broker.close()


@pytest.mark.parametrize(
    "line", [b"{}", b"[1]", b"no json", b'{"do": "chmod", "path": "/tmp"}', b'{"do": 1, "path": 2}']
)
def test_a_shim_answers_no_other_request(line: bytes) -> None:
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()
    ours.sendall(line + b"\n")
    answer = ours.recv(100)
    ours.close()
    shim.join(5)
    theirs.close()

    assert answer == b'{"errno": -1}\n'


class SwappedFile:
    """Opens another file than the one asked for, as if a folder above it had become a link in the meantime."""

    def __init__(self, instead: Path) -> None:
        self._instead = instead

    def open(self, path: Path) -> int:
        """Open the other file."""
        return os.open(self._instead, os.O_RDONLY)

    def write(self, path: Path, data: bytes) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.promise("mcp:opened-once")
def test_what_was_opened_is_checked_not_what_was_named(settings: Settings, tmp_path: Path) -> None:
    project, secret = tmp_path / "project", tmp_path / "secret.png"
    project.mkdir()
    (project / "logo.png").write_bytes(b"mine")
    secret.write_bytes(b"not for you")
    files = ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))
    swapped = replace(files, client=replace(files.client, file_access=SwappedFile(secret)))

    with files.open("logo.png", param="image", limit_bytes=100) as file:
        assert file.read() == b"mine"
    with pytest.raises(InvalidInput, match="not in a folder"):
        swapped.open("logo.png", param="image", limit_bytes=100)
