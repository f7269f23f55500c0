"""The command to load a model, and the report of a loaded one."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A model to load. `folders` maps the role of an artifact ("model", "tokenizer", "codec", …) to a local folder."""

    model: str
    engine: str
    folders: Mapping[str, str]
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    prefetch: bool = True
    """Whether the weights are read into the page cache while the libraries are imported."""
    evaluate: bool = True
    """Whether the weights are read into memory. Without them a chat engine can only count the tokens of prompts."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Memory of a loaded model in bytes, and its context length in tokens (0 for models without one)."""

    weights_bytes: int
    active_bytes: int
    peak_bytes: int
    context_tokens: int = 0
