"""A sign of life each second, from a thread of its own, so that a long piece of work does not look like death."""

import threading
from collections.abc import Callable

from model_runtime.ipc.messages import Heartbeat, WorkerMessage

HEARTBEAT_SECONDS = 1.0


class HeartbeatSender:
    """What the beats tell. The main thread writes; `pieces` stands still exactly when no work is done."""

    def __init__(self) -> None:
        self.request_ids: tuple[int, ...] = ()
        self.progress_count = 0
        self.loading = True

    def start(self, send: Callable[[WorkerMessage], None], active_bytes: Callable[[], int]) -> None:
        """Begin to beat, until the process ends."""
        threading.Thread(target=self._send_heartbeats, args=(send, active_bytes), name="heartbeat", daemon=True).start()

    def _send_heartbeats(self, send: Callable[[WorkerMessage], None], active_bytes: Callable[[], int]) -> None:
        pause = threading.Event()
        while not pause.wait(HEARTBEAT_SECONDS):
            send(Heartbeat(self.request_ids, self.progress_count, active_bytes()))
