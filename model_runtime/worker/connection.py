"""The worker's end of the connection to the daemon: any thread sends, one thread receives."""

import os
import socket
import threading
from collections.abc import Iterator
from typing import NoReturn

from model_runtime.ipc.codec import decode, encode
from model_runtime.ipc.framing import FrameReader, pack
from model_runtime.ipc.messages import Command, WorkerMessage

ORPHANED_EXIT_CODE = 9
"""Exit code of a worker whose daemon has exited."""

SINGLE_SEND_BYTES = 1 << 16
"""Up to this size, one system call and a copy are cheaper than a call for each part."""


class DaemonConnection:
    """Send messages and receive commands over a connected socket.

    `send` blocks while the daemon does not read, so that the back-pressure of a slow client reaches the engine.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._send_lock = threading.Lock()

    def send(self, *messages: WorkerMessage) -> None:
        """Send messages, small ones in a single write. If the daemon has exited, end the process.

        Raises:
            CodecError: a message cannot be encoded; none is sent.
            FrameError: a message is too large; none is sent.
        """
        parts = [part for message in messages for part in pack(*encode(message))]
        is_small = sum(map(len, parts)) <= SINGLE_SEND_BYTES
        with self._send_lock:
            try:
                for part in [b"".join(parts)] if is_small else parts:
                    self._socket.sendall(part)
            except ConnectionError:
                exit_orphaned()

    def commands(self) -> Iterator[Command]:
        """Yield commands as they arrive, until the daemon exits.

        Raises:
            CodecError: a command cannot be decoded.
            FrameError: the bytes are not a frame.
        """
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
    """End the process at once, because its daemon has exited."""
    os._exit(ORPHANED_EXIT_CODE)
