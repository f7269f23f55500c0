"""What the shim's side of the file broker leaves behind when its daemon is killed."""

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from mcp_server.launcher.broker_server import serve_file_requests


class Broker:
    """The daemon's end of a broker."""

    def __init__(self) -> None:
        self._daemon, shim = socket.socketpair()
        self._daemon.settimeout(5)
        self._shim = shim
        self._thread = threading.Thread(target=serve_file_requests, args=(shim,))
        self._thread.start()

    def ask(self, **request: str) -> dict[str, Any]:
        """Send a request and return its reply; a descriptor of it is closed."""
        self._daemon.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
        reply, descriptors, _, _ = socket.recv_fds(self._daemon, 1000, 1)
        for descriptor in descriptors:
            socket.close(descriptor)
        fields: dict[str, Any] = json.loads(reply)
        assert fields["errno"] == 0
        return fields

    def end(self) -> None:
        """The daemon is killed."""
        self._daemon.close()
        self._thread.join(5)
        self._shim.close()


@pytest.mark.promise("shim:no-litter")
def test_a_daemon_that_is_killed_while_it_writes_leaves_no_unfinished_file(tmp_path: Path) -> None:
    broker = Broker()
    root = str(tmp_path)
    made = {
        name: str(broker.ask(do="create", path=str(tmp_path / name), root=root)["folder"])
        for name in ("unfinished", "given up", "placed.part")
    }
    broker.ask(do="discard", path="given up", folder=made["given up"])
    broker.ask(do="commit", path="placed.part", to="placed", folder=made["placed.part"])
    (tmp_path / "placed.part").touch()  # by somebody else
    broker.end()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["placed", "placed.part"]
