"""Sleeping without waiting, for tests of pauses and retries."""

from anyio.lowlevel import checkpoint


class FakeSleep:
    """Records what is slept, and lets other tasks run meanwhile."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Return at the next turn of the event loop."""
        self.delays.append(seconds)
        await checkpoint()
