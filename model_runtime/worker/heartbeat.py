"""Heartbeats from a separate thread, so that a long step of the engine does not look like a dead process."""

import threading
from collections.abc import Callable

from model_runtime.ipc.messages import Heartbeat, WorkerMessage

HEARTBEAT_SECONDS = 1.0
"""Time between two heartbeats."""


class HeartbeatSender:
    """Send the state that the main thread writes. A `progress_count` that does not change means a stalled worker."""

    def __init__(self) -> None:
        self.request_ids: tuple[int, ...] = ()
        self.progress_count = 0
        self.loading = True

    def start(self, send: Callable[[WorkerMessage], None], active_bytes: Callable[[], int]) -> None:
        """Start the thread, which runs until the process ends."""
        threading.Thread(target=self._send_heartbeats, args=(send, active_bytes), name="heartbeat", daemon=True).start()

    def _send_heartbeats(self, send: Callable[[WorkerMessage], None], active_bytes: Callable[[], int]) -> None:
        pause = threading.Event()
        while not pause.wait(HEARTBEAT_SECONDS):
            send(Heartbeat(self.request_ids, self.progress_count, active_bytes()))
