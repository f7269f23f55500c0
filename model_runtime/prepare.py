"""What happens to a request once, before it is queued: its model is resolved, it is validated, its memory is estimated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.to_thread

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.requests import Chat, Request, Task, task_of
from model_runtime.validation.starter_vocabulary import starter_warnings

Validate = Callable[[Request, Model, Mapping[str, Path]], None]
"""validate(request, model, folders) raises `InvalidInput` for what the model cannot do."""

INLINE_CHARACTERS = 100_000
"""A chat up to this long is validated in less time than a switch to a thread takes."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that can be queued: nothing in it is looked up, validated or estimated again.

    `working_bytes` is the memory the request takes on top of the loaded model; `warnings` say what a starter model may
    do badly.
    """

    request: Request
    model: Model
    task: Task
    working_bytes: int = 0
    warnings: tuple[str, ...] = ()


class RequestPreparer:
    """Turns requests into `PreparedRequest`s by the catalogue and the validation rules."""

    def __init__(self, catalog: CatalogProtocol, validate: Validate) -> None:
        self._catalog = catalog
        self._validate = validate

    async def prepare(self, request: Request, *, is_loaded: Callable[[str], bool]) -> PreparedRequest:
        """Resolve, validate and estimate a request; `is_loaded` says whether the model of this name has a worker.

        Validation runs off the event loop, except for a short chat with a loaded model, whose small files are cached.

        Raises:
            UnknownModel, WrongTask, ModelMissing: the name does not lead to a model that can do this.
            InvalidInput: the model cannot serve this request.
        """
        task = task_of(request)
        model = self._catalog.resolve(request.model, task)
        if is_loaded(model.name) and is_short_chat(request):
            return self._prepare(request, model, task)
        return await anyio.to_thread.run_sync(self._prepare, request, model, task)

    def _prepare(self, request: Request, model: Model, task: Task) -> PreparedRequest:
        folders = self._catalog.folders(model)
        named = request if request.model == model.name else replace(request, model=model.name)
        self._validate(named, model, folders)
        warnings = starter_warnings(named, task, model, folders) if model.starter else ()
        return PreparedRequest(named, model, task, self._catalog.working_bytes(named, model), warnings)


def is_short_chat(request: Request) -> bool:
    """Return whether this is a chat that takes no time to validate."""
    if not isinstance(request, Chat):
        return False
    characters = len(request.json_schema)
    for message in request.messages:
        for part in message.content:
            characters += len(part) if isinstance(part, str) else 0
    return characters <= INLINE_CHARACTERS
