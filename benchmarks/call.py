"""One request on a connection of its own, which can be left at any moment, as a client that goes away leaves it."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2

TIMEOUT_SECONDS = 300.0


class HttpCall:
    """Sent as soon as it is made."""

    def __init__(self, request: httpx2.Request) -> None:
        address = urlsplit(str(request.url))
        self._connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
        self._connection.request(request.method, address.path, request.read(), dict(request.headers))
        self._socket = self._connection.sock
        assert self._socket is not None

    def body(self) -> bytes:
        """Wait for the whole answer.

        Raises:
            RuntimeError: it is an error.
        """
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status} {body[:300].decode(errors='replace')}")
        return body

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events of a stream as they come."""
        for line in self._connection.getresponse():
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])

    def disconnect(self) -> None:
        """Break the connection off."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._connection.close()
