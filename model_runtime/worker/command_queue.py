"""Where orders wait for the main thread, and which jobs nobody wants any more.

The reader thread writes, the main thread takes. A cancelled job is known at once, in the middle of a piece of work;
the order itself is taken between two pieces.
"""

import queue

from model_runtime.errors import Cancelled
from model_runtime.ipc.messages import Cancel, Command


class CommandQueue:
    """Orders in their order of arrival."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def put(self, command: Command) -> None:
        """Take in an order from the daemon."""
        if isinstance(command, Cancel):
            self._cancelled.add(command.request_id)
        self._waiting.put(command)

    def wait(self) -> Command:
        """Return the next order, however long it takes."""
        return self._waiting.get()

    def drain(self) -> list[Command]:
        """Return the orders that came meanwhile."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def raise_if_cancelled(self, job: int) -> None:
        """Raise `Cancelled` once the caller of this job is gone."""
        if job in self._cancelled:
            raise Cancelled("The call was ended before it finished.")

    def discard(self, job: int) -> None:
        """The job is over."""
        self._cancelled.discard(job)
