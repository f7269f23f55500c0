"""Admit work in the order of its arrival while the memory it needs fits into one limit."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio


@dataclass(slots=True, eq=False)
class _Waiter:
    needed_bytes: int
    admitted: anyio.Event = field(default_factory=anyio.Event)


class MemoryAdmission:
    """A queue for a number of bytes. What needs more than all of them is admitted alone."""

    def __init__(self, limit_bytes: int) -> None:
        self.free_bytes = limit_bytes
        self._limit_bytes = limit_bytes
        self._waiters: deque[_Waiter] = deque()

    @property
    def waiting_count(self) -> int:
        """How many wait."""
        return len(self._waiters)

    @asynccontextmanager
    async def admit(self, needed_bytes: int) -> AsyncGenerator[None]:
        """Hold `needed_bytes` during the block; wait until they are free. A cancelled wait takes nothing."""
        waiter = _Waiter(min(needed_bytes, self._limit_bytes))
        self._waiters.append(waiter)
        self._admit_next()
        try:
            if not waiter.admitted.is_set():
                await waiter.admitted.wait()
            yield
        finally:
            if waiter.admitted.is_set():
                self.free_bytes += waiter.needed_bytes
            else:
                self._waiters.remove(waiter)
            self._admit_next()

    def _admit_next(self) -> None:
        while self._waiters and self._waiters[0].needed_bytes <= self.free_bytes:
            waiter = self._waiters.popleft()
            self.free_bytes -= waiter.needed_bytes
            waiter.admitted.set()
