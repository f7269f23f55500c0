"""The worker's end of the link: blocking sends from any thread, orders received by one."""

import os
import socket
import threading
from collections.abc import Iterator
from typing import NoReturn

from model_runtime.ipc.codec import decode, encode
from model_runtime.ipc.framing import FrameReader, pack
from model_runtime.ipc.messages import Command, WorkerMessage

ORPHANED_EXIT_CODE = 9
"""Exit code of a worker whose daemon is gone."""


SINGLE_SEND_BYTES = 1 << 16
"""Up to here one call of the system and a copy are cheaper than a call for each part."""


class DaemonConnection:
    """Sends reports and receives orders over a connected socket.

    `send` blocks while the daemon does not read: that is the back-pressure of a slow client, all the way down.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._send_lock = threading.Lock()

    def send(self, *messages: WorkerMessage) -> None:
        """Send reports whole and, where they are short, at once; without a daemon the process ends here.

        Raises:
            CodecError, FrameError: one of them cannot cross the process boundary; then none is sent.
        """
        parts = [part for report in messages for part in pack(*encode(report))]
        short = sum(map(len, parts)) <= SINGLE_SEND_BYTES
        with self._send_lock:
            try:
                for part in [b"".join(parts)] if short else parts:
                    self._socket.sendall(part)
            except ConnectionError:
                exit_orphaned()

    def commands(self) -> Iterator[Command]:
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


def exit_orphaned() -> NoReturn:
    """End at once: nobody is left to work for, and the memory is wanted elsewhere."""
    os._exit(ORPHANED_EXIT_CODE)
