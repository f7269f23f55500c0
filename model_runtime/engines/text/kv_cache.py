"""The keys and values of the rows of a batch, in mlx-lm's kinds of caches.

A row alone keeps the plain kind: attention then needs no mask, and computes what the library computes outside of
batches. With the second row the batched kind takes over, which knows how far every row is padded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlx_lm.models.cache import make_prompt_cache


class BatchPromptCache:
    """What all layers remember of some rows. `layers` is what the model takes as its cache, and fills."""

    def __init__(self, layers: list[Any], *, batched: bool) -> None:
        self.layers = layers
        self._is_batched = batched

    @classmethod
    def merge(cls, prompt_caches: Sequence[list[Any]]) -> "BatchPromptCache":
        """Put the plain caches of some rows together; each row has one for every layer."""
        if len(prompt_caches) == 1:
            return cls(prompt_caches[0], batched=False)
        return cls([layer[0].merge(list(layer)) for layer in zip(*prompt_caches, strict=True)], batched=True)

    @contextmanager
    def right_padded(self, lengths: Sequence[int]) -> Iterator[None]:
        """While inside, rows are given as many tokens as the longest has; what goes beyond their length is padding."""
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
        """Take the other rows in, behind those that are here."""
        self.layers, self._is_batched = self.as_batched(), True
        for own_layer, other_layer in zip(self.layers, other.as_batched(), strict=True):
            own_layer.extend(other_layer)

    def as_batched(self) -> list[Any]:
        """Return the layers in the batched kind."""
        return self.layers if self._is_batched else [layer.merge([layer]) for layer in self.layers]

    def extract(self, index: int) -> list[Any]:
        """Return the plain caches of one row."""
        return [layer.extract(index) for layer in self.layers] if self._is_batched else self.layers

    def filter(self, indices: Sequence[int]) -> None:
        """Forget every row but these, of which there is at least one."""
        if self._is_batched:
            for layer in self.layers:
                layer.filter(list(indices))

    @property
    def state(self) -> list[Any]:
        """The arrays that hold it all, to be evaluated."""
        return [layer.state for layer in self.layers]


def is_batchable(model: Any) -> bool:
    """Whether rows of this model can be worked on together; a few families keep caches that cannot."""
    return all(hasattr(layer, "merge") for layer in make_prompt_cache(model))
