"""What a worker is told to load, and what it reports once the model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What to load. `folders` maps an artifact's role ("model", "tokenizer", "codec", …) to a local folder."""

    model: str
    engine: str
    folders: Mapping[str, str]
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What a loaded model can do and holds; sizes in bytes, `context_tokens` 0 where it has no meaning."""

    weights_bytes: int
    active_bytes: int
    peak_bytes: int
    context_tokens: int = 0
