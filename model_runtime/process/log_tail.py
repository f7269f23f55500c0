"""The last lines a worker printed: they go to the log, and the last one into the message when the worker dies."""

import logging
import os
from collections import deque

MAX_LINES = 200
MAX_LINE_BYTES = 2000
CHUNK_BYTES = 1 << 16
MAX_CHUNKS = 16
"""Chunks per call of `read`, so that a worker that prints without end does not block the event loop. A Linux pipe holds
one chunk."""

log = logging.getLogger(__name__)


class LogTail:
    """The last `MAX_LINES` lines of a worker's stdout and stderr, read from a non-blocking descriptor."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self.name = name
        """Prefix of the lines in the log."""
        self._descriptor = descriptor
        self._partial_line = b""

    @property
    def last_line(self) -> str:
        """The last line that is not empty, or ""."""
        return next((line for line in reversed(self.lines) if line), "")

    def read(self) -> bool:
        """Read what was printed; return False at the end of the stream or if it cannot be read."""
        for _ in range(MAX_CHUNKS):
            try:
                chunk = os.read(self._descriptor, CHUNK_BYTES)
            except BlockingIOError:
                return True
            except OSError as error:  # an open pipe that cannot be read would wake the event loop for ever
                log.warning("%s: what it prints cannot be read: %s", self.name, error)
                return False
            if not chunk:
                self._add(self._partial_line)
                return False
            # A progress bar ends its lines with \r.
            *lines, self._partial_line = (self._partial_line + chunk).replace(b"\r", b"\n").split(b"\n")
            self._partial_line = self._partial_line[-MAX_LINE_BYTES:]
            for line in lines:
                self._add(line)
        return True

    def _add(self, line: bytes) -> None:
        text = line[-MAX_LINE_BYTES:].decode("utf-8", "replace").rstrip()
        if text:
            self.lines.append(text)
            log.info("%s: %s", self.name, text)
