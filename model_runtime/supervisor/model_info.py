"""What the disk holds of each model, cached: reading it takes milliseconds a model."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol

log = logging.getLogger(__name__)

REMEDY = "Put them back, or download the model again."
MODEL_INFO_SECONDS = 5.0
"""Age at which the info of a model is read again."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the disk holds of a model; sizes in bytes."""

    present: bool
    broken_reason: str
    """Why the folder of a local model cannot be used; empty if it can."""
    default: bool
    """Whether requests that name no model get this one."""
    weights_bytes: int
    needed_bytes: int
    voices: tuple[str, ...]
    languages: tuple[str, ...]
    abilities: tuple[str, ...]


UNREAD = ModelInfo(
    present=False,
    broken_reason="",
    default=False,
    weights_bytes=0,
    needed_bytes=0,
    voices=(),
    languages=(),
    abilities=(),
)
"""Info of a model whose files have not been read yet."""


class ModelInfoCache:
    """The info of every model. Reading may wait for a disk, so it is for threads; `all` only returns what was read."""

    def __init__(self, catalog: CatalogProtocol) -> None:
        self._catalog = catalog
        self._info: dict[str, ModelInfo] = {}
        self._read_at: dict[str, float] = {}
        self._rescan_at = float("-inf")

    def all(self) -> list[tuple[Model, ModelInfo]]:
        """Return every model with its info. Does not look at the disk."""
        return [(model, self.of(model)) for model in self._catalog.models()]

    def of(self, model: Model) -> ModelInfo:
        """Return what was read of one model."""
        return self._info.get(model.name, UNREAD)

    def is_new(self, model: Model) -> bool:
        """Return whether nothing of this model has been read yet."""
        return model.name not in self._info

    def refresh(self, now: float, in_use: Callable[[str], bool] = lambda name: False) -> None:
        """Read the new models, and the one whose info is the oldest; `now` is in seconds of a monotonic clock.

        Now and then look for models that came or went; one that is `in_use` stays.
        """
        if now >= self._rescan_at:
            self._rescan_at = now + MODEL_INFO_SECONDS
            self._catalog.rescan(in_use)
        models = list(self._catalog.models())
        oldest = min(models, key=self._age_rank, default=None)
        for model in models:
            is_due = model is oldest and now - self._age_rank(model) >= MODEL_INFO_SECONDS
            if is_due or model.name not in self._info:
                self.read(model, now)

    def read(self, model: Model, now: float) -> ModelInfo:
        """Read the info of one model. A reading that fails makes the model a broken one."""
        try:
            info = self._read(self._catalog.redetect(model))
        except Exception as error:
            log.warning("The files of %s could not be read", model.name, exc_info=True)
            info = replace(UNREAD, broken_reason=f"The files of {model.name} could not be read: {error}. {REMEDY}")
        self._info[model.name], self._read_at[model.name] = info, now
        return info

    def _age_rank(self, model: Model) -> float:
        return self._read_at.get(model.name, float("-inf"))

    def _read(self, model: Model) -> ModelInfo:
        catalog = self._catalog
        broken_reason = catalog.broken_reason(model) or catalog.file_problem(model)
        return ModelInfo(
            present=not broken_reason and catalog.is_present(model),
            broken_reason=broken_reason,
            default=catalog.is_default(model),
            weights_bytes=catalog.weights_bytes(model),
            needed_bytes=catalog.needed_bytes(model),
            voices=catalog.voices(model),
            languages=catalog.languages(model),
            abilities=catalog.abilities(model),
        )
