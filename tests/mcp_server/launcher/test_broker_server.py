"""What the shim's side of the file broker leaves behind when its daemon is killed."""

import json
import socket
import threading
from pathlib import Path

import pytest

from mcp_server.launcher.broker_server import PartialFiles, serve_file_requests


class Broker:
    """The daemon's end of a broker."""

    def __init__(self) -> None:
        self._daemon, shim = socket.socketpair()
        self._daemon.settimeout(5)
        self._shim = shim
        self._thread = threading.Thread(target=serve_file_requests, args=(shim,))
        self._thread.start()

    def ask(self, **request: str) -> None:
        """Send a request and wait for its reply; a descriptor of it is closed."""
        self._daemon.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
        reply, descriptors, _, _ = socket.recv_fds(self._daemon, 1000, 1)
        for descriptor in descriptors:
            socket.close(descriptor)
        assert json.loads(reply)["errno"] == 0

    def end(self) -> None:
        """The daemon is killed."""
        self._daemon.close()
        self._thread.join(5)
        self._shim.close()


@pytest.mark.promise("shim:no-litter")
def test_a_daemon_that_is_killed_while_it_writes_leaves_no_unfinished_file(tmp_path: Path) -> None:
    broker = Broker()
    for name in ("unfinished", "given up", "placed.part"):
        broker.ask(do="create", path=str(tmp_path / name))
    broker.ask(do="unlink", path=str(tmp_path / "given up"))
    broker.ask(do="rename", path=str(tmp_path / "placed.part"), to=str(tmp_path / "placed"))
    (tmp_path / "placed.part").touch()  # by somebody else
    broker.end()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["placed", "placed.part"]


def test_a_file_that_is_made_when_the_daemon_has_gone_is_deleted_as_well(tmp_path: Path) -> None:
    late, files = tmp_path / "late", PartialFiles()
    files.delete()
    late.touch()

    files.note({"do": "create", "path": str(late)})
    files.note({"do": "create", "path": str(tmp_path / "never made")})

    assert not late.exists()
