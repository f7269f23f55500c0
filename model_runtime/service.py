"""What the faces use: the runtime's public methods as a protocol, so that a face can be tested without workers."""

from collections.abc import AsyncGenerator
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

    def new_request_id(self) -> int:
        """Return an id that no other request of this runtime has."""
        ...

    def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Do the work and report it: `Warnings` if a starter model may do badly, `Queued`, `Loading`, engine events,
        `Finished`.

        `keep_alive_seconds` is how long the model stays after this request (0: until it is idle, -1: no timer); None
        keeps its setting. `request_id` is an id from `new_request_id`; None takes a new one.

        Raises:
            SensesError: on the first step, before anything is queued: the input cannot be served.
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

    def cancel(self, request_id: int) -> bool:
        """Cancel a queued or running request; its caller gets `Cancelled`. False where no such request is open."""
        ...

    def status(self) -> Status:
        """Return a snapshot of everything."""
        ...

    def changes(self) -> AsyncGenerator[Status]:
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
