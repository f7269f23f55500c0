"""Where orders wait for the main thread, and which jobs nobody wants any more.

The reader thread writes, the main thread takes. A cancelled job is known at once, in the middle of a piece of work;
the order itself is taken between two pieces.
"""

import queue

from model_runtime.errors import Cancelled
from model_runtime.ipc.messages import Cancel, Order


class Orders:
    """Orders in their order of arrival."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def put(self, order: Order) -> None:
        """Take in an order from the daemon."""
        if isinstance(order, Cancel):
            self._cancelled.add(order.job)
        self._waiting.put(order)

    def wait(self) -> Order:
        """Return the next order, however long it takes."""
        return self._waiting.get()

    def take(self) -> list[Order]:
        """Return the orders that came meanwhile."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def check(self, job: int) -> None:
        """Raise `Cancelled` once the caller of this job is gone."""
        if job in self._cancelled:
            raise Cancelled("The call was ended before it finished.")

    def forget(self, job: int) -> None:
        """The job is over."""
        self._cancelled.discard(job)
