"""The worker's end of the link: blocking sends from any thread, orders received by one."""

import socket
import threading
from collections.abc import Iterator

from model_runtime.codec import decode, encode
from model_runtime.frames import FrameReader, pack
from model_runtime.worker.messages import Order, Report


class Link:
    """Sends reports and receives orders over a connected socket.

    `send` blocks while the daemon does not read: that is the back-pressure of a slow client, all the way down.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()

    def send(self, report: Report) -> None:
        """Send a report whole."""
        header, blobs = encode(report)
        parts = pack(header, blobs)
        with self._sending:
            for part in parts:
                self._socket.sendall(part)

    def orders(self) -> Iterator[Order]:
        """Yield orders as they come; ends when the daemon is gone."""
        reader = FrameReader()
        while count := self._receive(reader.buffer()):
            for header, body in reader.received(count):
                yield decode(header, body)

    def _receive(self, buffer: memoryview) -> int:
        try:
            return self._socket.recv_into(buffer)
        except ConnectionError:
            return 0
