"""Requests to a runtime, in the foreground or background; each must end within `TIMEOUT_SECONDS`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, Event, Finished, TextDelta
from model_runtime.requests import Chat, Message, Request
from model_runtime.runtime import Runtime
from model_runtime.status import ModelStatus, Status

Kind = TypeVar("Kind")
TIMEOUT_SECONDS = 30


def chat(script: str, model: str = "m") -> Chat:
    """Return a chat whose text is the script of the scripted engine."""
    return Chat(model, (Message("user", (script,)),))


async def run_request(runtime: Runtime, request: Request, *, keep_alive_seconds: float | None = None) -> list[Event]:
    """Run a request and return its events."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        return [event async for event in runtime.run(request, keep_alive_seconds=keep_alive_seconds)]


async def run_chat(runtime: Runtime, request: Request, *, keep_alive_seconds: float | None = None) -> str:
    """Run a chat and return the text of its answer."""
    *_, last = await run_request(runtime, request, keep_alive_seconds=keep_alive_seconds)
    assert isinstance(last, Finished)
    assert isinstance(last.result, ChatResult)
    return last.result.text


class BackgroundCall:
    """A request whose events are read in a background task."""

    def __init__(self, runtime: Runtime, request: Request) -> None:
        self.events: list[Event] = []
        self.error: SensesError | None = None
        self.finished = anyio.Event()
        self.cancel_scope = anyio.CancelScope()
        self._generator = runtime.run(request)
        self._changed = anyio.Event()

    def start(self, group: TaskGroup) -> "BackgroundCall":
        """Start reading."""
        group.start_soon(self._read)
        return self

    @property
    def text_so_far(self) -> str:
        """The text of the answer so far."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    async def wait_for_event(self, kind: type[Kind]) -> Kind:
        """Wait for the first event of this kind and return it."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                assert not self.finished.is_set(), f"it ended with {self.error!r}"
                await self._changed.wait()

    async def wait_until_finished(self) -> None:
        """Wait for the result or the error."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            await self.finished.wait()

    async def _read(self) -> None:
        try:
            with self.cancel_scope:
                async with aclosing(self._generator) as events:
                    await self._collect(events)
        except SensesError as error:
            self.error = error
        finally:
            self.finished.set()
            self._changed.set()

    async def _collect(self, events: AsyncGenerator[Event]) -> None:
        async for event in events:
            self.events.append(event)
            changed, self._changed = self._changed, anyio.Event()
            changed.set()


async def wait_for_status(runtime: Runtime, condition: Callable[[Status], bool]) -> Status:
    """Wait until a status of the runtime's feed meets the condition and return it."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        async for status in runtime.changes():
            if condition(status):
                return status
    raise AssertionError("the feed ended")


def model_status_of(status: Status, name: str = "m") -> ModelStatus:
    """Return the status of one model."""
    return next(model for model in status.models if model.name == name)


async def wait_for_file(path: anyio.Path) -> None:
    """Wait until a worker has created this file."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        while not await path.exists():  # noqa: ASYNC110 - another process creates it
            await anyio.sleep(0.005)
