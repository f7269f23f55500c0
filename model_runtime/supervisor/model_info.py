"""What the disk holds of each model, cached: reading it takes milliseconds a model."""

import logging
from collections.abc import Callable

from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.catalog.protocol import CatalogProtocol

log = logging.getLogger(__name__)

REMEDY = "Put them back, or download the model again."
MODEL_INFO_SECONDS = 5.0
"""Age at which the info of a model is read again."""


class ModelInfoCache:
    """The info of every model. Reading may wait for a disk, so it is for threads; `all` only returns what was read."""

    def __init__(self, catalog: CatalogProtocol, budget_bytes: Callable[[], int] = lambda: 0) -> None:
        """`budget_bytes` returns the memory budget at present; 0 is no limit."""
        self._catalog = catalog
        self._budget_bytes = budget_bytes
        self._info: dict[str, ModelInfo] = {}
        self._read_at: dict[str, float] = {}
        self._rescan_at = float("-inf")

    def all(self) -> list[tuple[Model, ModelInfo]]:
        """Return every model with its info. Does not look at the disk."""
        return [(model, self.of(model)) for model in self._catalog.models()]

    def find(self, name: str) -> tuple[Model, ModelInfo] | None:
        """Return the model of this name with its info, None if there is none. Does not look at the disk."""
        return next(((model, self.of(model)) for model in self._catalog.models() if model.name == name), None)

    def of(self, model: Model) -> ModelInfo:
        """Return what was read of one model."""
        return self._info.get(model.name, ModelInfo())

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
        models = {model.name: model for model in self._catalog.models()}
        oldest = min(models.keys() & self._read_at.keys(), key=self._read_at.__getitem__, default="")
        due = [oldest] if oldest and now - self._read_at[oldest] >= MODEL_INFO_SECONDS else []
        for name in [*(name for name in models if name not in self._info), *due]:
            self.read(models[name], now)

    def read(self, model: Model, now: float) -> ModelInfo:
        """Read the info of one model. A reading that fails makes the model a broken one."""
        try:
            info = self._catalog.info(model, self._budget_bytes())
        except Exception as error:
            log.warning("The files of %s could not be read", model.name, exc_info=True)
            info = ModelInfo(broken_reason=f"The files of {model.name} could not be read: {error}. {REMEDY}")
        self._info[model.name], self._read_at[model.name] = info, now
        return info
