"""The catalogue as the runtime uses it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.requests import Request, Task


class CatalogProtocol(Protocol):
    """A catalogue of models and their files. `Catalog` implements it."""

    def models(self) -> Iterable[Model]:
        """Return all models known so far. Does not look at the disk."""
        ...

    def rescan(self, in_use: Callable[[str], bool]) -> None:
        """Look for models that came or went; one that is in use stays. It looks at the disk."""
        ...

    def is_known(self, name: str) -> bool:
        """Return whether `resolve` finds a usable model of this name without looking at the disk."""
        ...

    def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`.

        Raises:
            UnknownModel: the model does not exist.
            WrongTask: the model does not support `task`.
            ModelMissing: the model is not on this disk or its folder cannot be used.
        """
        ...

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Return the local folder of every artifact by role.

        Raises:
            ModelMissing: an artifact is not on this disk, or the folder of a local model cannot be used.
        """
        ...

    def is_present(self, model: Model) -> bool:
        """Return whether all files of a model are on this disk."""
        ...

    def info(self, model: Model, budget_bytes: int = 0) -> ModelInfo:
        """Return what the disk holds of a model, after another try to detect a local one; see `context_tokens`."""
        ...

    def context_tokens(self, model: Model, folders: Mapping[str, Path], budget_bytes: int) -> int:
        """Return the most tokens that a chat may take, within the budget unless that is 0; 0 if it does not chat."""
        ...

    def needed_bytes(self, model: Model, folders: Mapping[str, Path]) -> int:
        """Estimate the memory of the loaded model, in bytes."""
        ...

    def working_bytes(self, request: Request, model: Model, folders: Mapping[str, Path]) -> int:
        """Estimate the memory that a running request takes on top of the loaded model, in bytes."""
        ...
