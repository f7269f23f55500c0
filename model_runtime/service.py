"""What the faces use: the runtime's public methods as a protocol, so that a face can be tested without workers."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from model_runtime.errors import UnknownModel, WrongTask
from model_runtime.events import Event
from model_runtime.requests import Request, Task
from model_runtime.status import Status


class Service(Protocol):
    """The shared runtime. Closing a `run` generator, or cancelling the task that reads it, cancels the work."""

    def resolve(self, name: str, task: Task) -> str:
        """Return the canonical name of the model that `name` means for `task`.

        `name` is an alias, one of OpenAI's names, a repository id, a local folder, "fast", "best", or "" (and
        "auto") for the default. Raises `UnknownModel`, `WrongTask` or `ModelMissing`.
        """
        ...

    def run(
        self, request: Request, *, client: str = "", keep_alive_seconds: float | None = None
    ) -> AsyncGenerator[Event]:
        """Do the work and report it: `Warned` where a starter has doubts, `Queued`, `Loading`, engine events, `Finished`.

        `keep_alive_seconds` is for how long the model stays after this request (0: leave when idle, -1: no timer);
        None keeps its setting. Raises a `SensesError` on the first step for input that cannot be served, before
        anything is queued.
        """
        ...

    async def load(self, model: str) -> None:
        """Load a model now and wait until it is ready; it leaves again by its usual timer."""
        ...

    async def unload(self, model: str) -> int:
        """Let running jobs end, stop the model's process, wait until it is gone and return the bytes given back."""
        ...

    def pin(self, model: str, pinned: bool) -> None:
        """Exempt a model from timers and eviction, or end that."""
        ...

    def cancel(self, job: int) -> bool:
        """End a queued or running job; its caller gets `Cancelled`. False where there is no such job."""
        ...

    def status(self) -> Status:
        """Return a snapshot of everything."""
        ...

    def changes(self) -> AsyncIterator[Status]:
        """Yield a snapshot now, after every change (at most four a second) and at least once a second."""
        ...


def resolve_any_task(service: Service, name: str) -> str:
    """Return the canonical name of the model that `name` means, whatever its task.

    Raises:
        UnknownModel: there is none of that name.
        ModelMissing: a repository of that name is not on this disk.
    """
    for task in Task:
        try:
            return service.resolve(name, task)
        except WrongTask:
            continue
    raise UnknownModel(name, [model.name for model in service.status().models])
