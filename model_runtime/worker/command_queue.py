"""Commands from the reader thread to the main thread.

A cancellation is visible at once, within a step of the engine; the `Cancel` command itself is handled between steps.
"""

import queue

from model_runtime.errors import Cancelled
from model_runtime.ipc.messages import Cancel, Command


class CommandQueue:
    """Commands in order of arrival, and the ids of cancelled jobs."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def put(self, command: Command) -> None:
        """Append a command; called by the reader thread."""
        if isinstance(command, Cancel):
            self._cancelled.add(command.request_id)
        self._waiting.put(command)

    def wait(self) -> Command:
        """Return the next command; block until it arrives."""
        return self._waiting.get()

    def drain(self) -> list[Command]:
        """Return all commands that have arrived."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def raise_if_cancelled(self, job: int) -> None:
        """Check whether a job was cancelled.

        Raises:
            Cancelled: it was.
        """
        if job in self._cancelled:
            raise Cancelled("The call was ended before it finished.")

    def discard(self, job: int) -> None:
        """Discard the cancellation of a job that has ended."""
        self._cancelled.discard(job)
