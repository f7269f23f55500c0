"""A sign of life each second, from a thread of its own, so that a long piece of work does not look like death."""

import threading
from collections.abc import Callable

from model_runtime.ipc.messages import Beat, Report

BEAT_SECONDS = 1.0


class Pulse:
    """What the beats tell. The main thread writes; `pieces` stands still exactly when no work is done."""

    def __init__(self) -> None:
        self.jobs: tuple[int, ...] = ()
        self.pieces = 0
        self.loading = True

    def start(self, send: Callable[[Report], None], active_bytes: Callable[[], int]) -> None:
        """Begin to beat, until the process ends."""
        threading.Thread(target=self._beat, args=(send, active_bytes), name="pulse", daemon=True).start()

    def _beat(self, send: Callable[[Report], None], active_bytes: Callable[[], int]) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            send(Beat(self.jobs, self.pieces, active_bytes()))
