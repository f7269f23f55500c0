"""The KV cache of a batch, made of mlx-lm's caches.

A single sequence keeps mlx-lm's plain caches: attention then needs no mask and gives the same numbers as outside of a
batch. With a second sequence they become batched caches, which store the padding of each sequence.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlx_lm.models.cache import make_prompt_cache


class BatchPromptCache:
    """The caches of all layers for the sequences of a batch. The model takes `layers` as its cache and fills them."""

    def __init__(self, layers: list[Any], *, batched: bool) -> None:
        self.layers = layers
        self._is_batched = batched

    @classmethod
    def merge(cls, prompt_caches: Sequence[list[Any]]) -> "BatchPromptCache":
        """Merge the plain caches of several sequences, one list of layers per sequence."""
        if len(prompt_caches) == 1:
            return cls(prompt_caches[0], batched=False)
        return cls([layer[0].merge(list(layer)) for layer in zip(*prompt_caches, strict=True)], batched=True)

    @contextmanager
    def right_padded(self, lengths: Sequence[int]) -> Iterator[None]:
        """Right-pad all sequences to the longest for the duration of the block; `lengths` are in tokens."""
        padding = [max(lengths) - length for length in lengths]
        if not any(padding):
            yield
            return
        for layer in self.layers:
            layer.prepare(lengths=list(lengths), right_padding=padding)
        yield
        for layer in self.layers:
            layer.finalize()

    def extend(self, other: "BatchPromptCache") -> None:
        """Append the sequences of another cache."""
        self.layers, self._is_batched = self.as_batched(), True
        for own_layer, other_layer in zip(self.layers, other.as_batched(), strict=True):
            own_layer.extend(other_layer)

    def as_batched(self) -> list[Any]:
        """Return the layers as batched caches."""
        return self.layers if self._is_batched else [layer.merge([layer]) for layer in self.layers]

    def extract(self, index: int) -> list[Any]:
        """Return the plain caches of one sequence, one per layer."""
        return [layer.extract(index) for layer in self.layers] if self._is_batched else self.layers

    def filter(self, indices: Sequence[int]) -> None:
        """Keep only these sequences; `indices` is not empty."""
        if self._is_batched:
            for layer in self.layers:
                layer.filter(list(indices))

    @property
    def state(self) -> list[Any]:
        """All arrays of the caches, to be evaluated."""
        return [layer.state for layer in self.layers]


def is_batchable(model: Any) -> bool:
    """Return whether mlx-lm can batch the caches of this model; a few families have caches that it cannot."""
    return all(hasattr(layer, "merge") for layer in make_prompt_cache(model))
