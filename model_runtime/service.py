"""The runtime's public methods as a protocol, so that both APIs can be tested without workers."""

from collections.abc import AsyncGenerator
from typing import Protocol

from model_runtime.catalog.model import ModelInfo
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import UnknownModel, WrongTask
from model_runtime.events import Event, Preview
from model_runtime.history.store import HistoryStore
from model_runtime.problems import Problems
from model_runtime.requests import Request, Task
from model_runtime.settings import Settings
from model_runtime.status import Status


class Service(Protocol):
    """The runtime as both APIs see it."""

    @property
    def media(self) -> MediaDecoder:
        """What decodes the pictures and recordings of all callers, within one limit of memory."""
        ...

    @property
    def problems(self) -> Problems:
        """What is wrong at present; every part of the daemon reports here, and `status` includes it."""
        ...

    @property
    def history(self) -> HistoryStore:
        """What was answered, loaded and unloaded in the last day."""
        ...

    @property
    def open_request_count(self) -> int:
        """How many requests wait or run: cheaper than `status`."""
        ...

    async def resolve(self, name: str, task: Task) -> str:
        """Return the canonical name of the model that `name` means for `task`.

        `name` is an alias, one of OpenAI's names, a repository id, "fast", "best", or "auto" (or "") for the
        default. It is never a path.

        Raises:
            UnknownModel: the model does not exist.
            WrongTask: the model does not support `task`.
            ModelMissing: the model is not on this disk or its folder cannot be used.
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
        """Run a request and yield its events; the last one is `Finished`. Closing the generator cancels the request.

        `keep_alive_seconds` is how long the model stays loaded after this request (0: until it is idle, -1: no timer);
        None keeps its setting. `request_id` is an id from `new_request_id`; None takes a new one.

        Raises:
            InvalidInput: the request cannot be served; nothing was queued.
            ModelMissing: the model is not on this disk or its folder cannot be used.
            Busy: the request was not started and can be retried.
            OperationFailed: the model could not be loaded, or the request failed.
            Cancelled: an operator cancelled the request.
        """
        ...

    async def load(self, model: str) -> None:
        """Load a model and wait until it is ready. Its idle timer starts as after a request.

        Raises:
            UnknownModel: the model does not exist.
            ModelMissing: the model is not on this disk or its folder cannot be used.
            Busy: the model was not loaded; try again later.
            LoadFailed: the model could not be loaded.
        """
        ...

    async def unload(self, model: str) -> int:
        """Wait for running requests, stop the model's worker and return the freed memory in bytes.

        Raises:
            UnknownModel: the model does not exist.
        """
        ...

    def pin(self, model: str, pinned: bool) -> None:
        """Pin a model, which exempts it from the idle timer and from eviction, or unpin it.

        Raises:
            UnknownModel: the model does not exist.
        """
        ...

    def keep(self, model: str, seconds: float) -> bool:
        """Keep a loaded model at least `seconds` from now, however idle it is; it may still make room for another one.

        Return False if it is not loaded.

        Raises:
            UnknownModel: the model does not exist.
        """
        ...

    def cancel(self, request_id: int) -> bool:
        """Cancel a queued or running request, whose `run` raises `Cancelled`. Return False if it has ended."""
        ...

    def preview(self, request_id: int) -> Preview | None:
        """Return the newest unfinished picture of an open request whose caller asked for such; None without one."""
        ...

    def model_info(self, name: str) -> ModelInfo | None:
        """Return what the disk holds of one model, None if there is none of this name."""
        ...

    def status(self) -> Status:
        """Return a snapshot of the runtime."""
        ...

    def changes(self) -> AsyncGenerator[Status]:
        """Yield a snapshot now, after each change (at most four per second) and at least once per second."""
        ...

    def apply(self, settings: Settings) -> None:
        """Use what of these settings can change without a restart: those whose row of the table is live."""
        ...

    async def close(self, grace_seconds: float) -> None:
        """Refuse new requests, let running ones finish for `grace_seconds`, cancel the rest and stop every worker."""
        ...


async def resolve_any_task(service: Service, name: str) -> str:
    """Return the canonical name of the model that `name` means for any task.

    Raises:
        UnknownModel: the model does not exist.
        ModelMissing: the model is not on this disk or its folder cannot be used.
    """
    for task in Task:
        try:
            return await service.resolve(name, task)
        except WrongTask:
            continue
    raise UnknownModel(name, [model.name for model in service.status().models])
