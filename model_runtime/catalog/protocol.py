"""What the runtime asks a catalogue of models."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from model_runtime.catalog.model import Model
from model_runtime.requests import Request, Task


class CatalogProtocol(Protocol):
    """Knows the models and their files; `Catalog` is the one of the product."""

    def models(self) -> Iterable[Model]:
        """All models known so far."""
        ...

    def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`; raises `UnknownModel`, `WrongTask` or `ModelMissing`."""
        ...

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Return the local folder of every artifact by role; raises `ModelMissing`."""
        ...

    def is_present(self, model: Model) -> bool:
        """Whether all files are on this disk."""
        ...

    def broken_reason(self, model: Model) -> str:
        """Say why the folder of a local model cannot be used; "" where it can, and for downloads."""
        ...

    def is_default(self, model: Model) -> bool:
        """Whether calls that name no model of this task get this one."""
        ...

    def weights_bytes(self, model: Model) -> int:
        """Size of the weights on disk, else of the download."""
        ...

    def needed_bytes(self, model: Model) -> int:
        """Estimate the memory of the loaded model."""
        ...

    def working_bytes(self, request: Request, model: Model) -> int:
        """Estimate the memory a running request takes on top."""
        ...

    def voices(self, model: Model) -> tuple[str, ...]:
        """Names a speech model's voices."""
        ...

    def languages(self, model: Model) -> tuple[str, ...]:
        """The languages a speech model speaks."""
        ...

    def abilities(self, model: Model) -> tuple[str, ...]:
        """What a model can do besides its task: "detect" and "point" where it names places in pictures."""
        ...
