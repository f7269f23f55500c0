"""What the disk holds of each model. It is looked at now and then, and read where something has changed."""

import logging
from collections.abc import Callable

from model_runtime.catalog.fingerprint import Fingerprint, fingerprint
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import ModelMissing

log = logging.getLogger(__name__)

REMEDY = "Put them back, or download the model again."
LOOK_SECONDS = 5.0
"""Interval between two looks at the disk."""

Look = tuple[int, dict[str, Fingerprint | str]]
"""The memory budget, and for each model the fingerprint of its files, or why they cannot be used."""


class ModelInfoCache:
    """The info of every model. Reading may wait for a disk, so it is for threads; `all` only returns what was read."""

    def __init__(self, catalog: CatalogProtocol, budget_bytes: Callable[[], int] = lambda: 0) -> None:
        """`budget_bytes` returns the memory budget at present; 0 is no limit."""
        self._catalog = catalog
        self._budget_bytes = budget_bytes
        self._info: dict[str, ModelInfo] = {}
        self._last_look: Look | None = None
        self._next_look_at = float("-inf")

    def all(self) -> list[tuple[Model, ModelInfo]]:
        """Return every model with its info. Does not look at the disk."""
        return [(model, self.of(model)) for model in self._catalog.models()]

    def find(self, name: str) -> ModelInfo | None:
        """Return what was read of the model of this name, None if nothing was. Does not look at the disk."""
        return self._info.get(name)

    def of(self, model: Model) -> ModelInfo:
        """Return what was read of one model."""
        return self._info.get(model.name, ModelInfo())

    def is_new(self, model: Model) -> bool:
        """Return whether nothing of this model has been read yet."""
        return model.name not in self._info

    def is_due(self, now: float) -> bool:
        """Return whether it is time to look at the disk, or a model is new."""
        return now >= self._next_look_at or not {model.name for model in self._catalog.models()} <= self._info.keys()

    def refresh(self, now: float, in_use: Callable[[str], bool] = lambda name: False) -> None:
        """Look at the disk, and read all models if anything has changed: the first that is present is the default.

        A model that is `in_use` stays although its folder went. `now` is in seconds of a monotonic clock.
        """
        self._next_look_at = now + LOOK_SECONDS
        self._catalog.rescan(in_use)
        look = self._look()
        if look == self._last_look:
            return
        self._last_look = look
        for name in self._info.keys() - look[1].keys():
            del self._info[name]
        for model in self._catalog.models():
            self.read(model)

    def read(self, model: Model) -> ModelInfo:
        """Read the info of one model. A reading that fails makes the model a broken one, until the next look."""
        try:
            info = self._catalog.info(model, self._budget_bytes())
        except Exception as error:
            log.warning("The files of %s could not be read", model.name, exc_info=True)
            info = ModelInfo(broken_reason=f"The files of {model.name} could not be read: {error}. {REMEDY}")
            self._last_look = None
        self._info[model.name] = info
        return info

    def _look(self) -> Look:
        return self._budget_bytes(), {model.name: self._files_of(model) for model in self._catalog.models()}

    def _files_of(self, model: Model) -> Fingerprint | str:
        try:
            return fingerprint(self._catalog.folders(model))
        except (ModelMissing, OSError) as error:
            return str(error)
