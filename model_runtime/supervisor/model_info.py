"""What the disk holds of each model, cached: reading it takes milliseconds a model."""

from dataclasses import dataclass

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol

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


class ModelInfoCache:
    """The info of every model; each call of `all` reads at most one known model again, so that it stays fast."""

    def __init__(self, catalog: CatalogProtocol) -> None:
        self._catalog = catalog
        self._info: dict[str, ModelInfo] = {}
        self._read_at: dict[str, float] = {}

    def all(self, now: float) -> list[tuple[Model, ModelInfo]]:
        """Return every model with its info; `now` is in seconds of a monotonic clock."""
        models = self._catalog.models()
        oldest = min(models, key=self._age_rank, default=None)
        for model in models:
            is_due = model is oldest and now - self._age_rank(model) >= MODEL_INFO_SECONDS
            if is_due or model.name not in self._info:
                self._info[model.name], self._read_at[model.name] = self._read(model), now
        return [(model, self._info[model.name]) for model in models]

    def _age_rank(self, model: Model) -> float:
        return self._read_at.get(model.name, float("-inf"))

    def _read(self, model: Model) -> ModelInfo:
        catalog = self._catalog
        return ModelInfo(
            present=catalog.is_present(model),
            broken_reason=catalog.broken_reason(model),
            default=catalog.is_default(model),
            weights_bytes=catalog.weights_bytes(model),
            needed_bytes=catalog.needed_bytes(model),
            voices=catalog.voices(model),
            languages=catalog.languages(model),
            abilities=catalog.abilities(model),
        )
