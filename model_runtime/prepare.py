"""Prepare a request once, before it is queued: resolve its model, validate it, estimate its memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from model_runtime.catalog.disk import ModelFiles, ask_disk, find_files
from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.requests import Request, Task, task_of
from model_runtime.validation.starter_vocabulary import starter_warnings

Validate = Callable[[Request, Model, Mapping[str, Path]], None]
"""`validate(request, model, folders)` raises `InvalidInput` for a request that the model does not support."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is ready to be queued.

    `needed_bytes` is the memory of the loaded model, 0 if it has a worker already. `working_bytes` is the memory that
    the request takes on top of it. `warnings` name words that a starter model does not know. `files` are those that a
    worker would load; None if the model has a worker already.
    """

    request: Request
    model: Model
    task: Task
    needed_bytes: int = 0
    working_bytes: int = 0
    warnings: tuple[str, ...] = ()
    files: ModelFiles | None = None


class RequestPreparer:
    """Prepares requests with the catalogue and the validation rules."""

    def __init__(self, catalog: CatalogProtocol, validate: Validate) -> None:
        self._catalog = catalog
        self._validate = validate

    async def prepare(self, request: Request, *, is_loaded: Callable[[str], bool]) -> PreparedRequest:
        """Resolve, validate and estimate a request. `is_loaded` returns whether the model of a name has a worker.

        Raises:
            UnknownModel: the model does not exist.
            WrongTask: the model does not support the task of the request.
            ModelMissing: the model is not on this disk or its folder cannot be used.
            InvalidInput: the model cannot serve this request.
        """
        task = task_of(request)
        model = await self.resolve(request.model, task)
        needs_estimate = not is_loaded(model.name)
        return await ask_disk(model.name, self._prepare, request, model, task, needs_estimate)

    async def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`; a thread looks at the disk where that is needed.

        Raises:
            SensesError: as `CatalogProtocol.resolve`.
        """
        if self._catalog.is_known(name):
            return self._catalog.resolve(name, task)
        return await ask_disk(name, self._catalog.resolve, name, task)

    def _prepare(self, request: Request, model: Model, task: Task, needs_estimate: bool) -> PreparedRequest:
        folders = self._catalog.folders(model)
        named = request if request.model == model.name else replace(request, model=model.name)
        self._validate(named, model, folders)
        warnings = starter_warnings(named, task, model, folders)
        needed_bytes = self._catalog.needed_bytes(model, folders) if needs_estimate else 0
        working_bytes = self._catalog.working_bytes(named, model, folders)
        files = find_files(folders) if needs_estimate else None
        return PreparedRequest(named, model, task, needed_bytes, working_bytes, warnings, files)
