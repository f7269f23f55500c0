"""The keys and values of the rows of a batch, in mlx-lm's kinds of caches.

A row alone keeps the plain kind: attention then needs no mask, and computes what the library computes outside of
batches. With the second row the batched kind takes over, which knows how far every row is padded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlx_lm.models.cache import make_prompt_cache


class RowCaches:
    """What all layers remember of some rows. `layers` is what the model takes as its cache, and fills."""

    def __init__(self, layers: list[Any], *, batched: bool) -> None:
        self.layers = layers
        self._batched = batched

    @classmethod
    def of(cls, rows: Sequence[list[Any]]) -> "RowCaches":
        """Put the plain caches of some rows together; each row has one for every layer."""
        if len(rows) == 1:
            return cls(rows[0], batched=False)
        return cls([layer[0].merge(list(layer)) for layer in zip(*rows, strict=True)], batched=True)

    @contextmanager
    def padded(self, lengths: Sequence[int]) -> Iterator[None]:
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

    def join(self, others: "RowCaches") -> None:
        """Take the other rows in, behind those that are here."""
        self.layers, self._batched = self.batched(), True
        for mine, theirs in zip(self.layers, others.batched(), strict=True):
            mine.extend(theirs)

    def batched(self) -> list[Any]:
        """Return the layers in the batched kind."""
        return self.layers if self._batched else [layer.merge([layer]) for layer in self.layers]

    def row(self, row: int) -> list[Any]:
        """Return the plain caches of one row."""
        return [layer.extract(row) for layer in self.layers] if self._batched else self.layers

    def keep(self, rows: Sequence[int]) -> None:
        """Forget every row but these, of which there is at least one."""
        if self._batched:
            for layer in self.layers:
                layer.filter(list(rows))

    @property
    def states(self) -> list[Any]:
        """The arrays that hold it all, to be evaluated."""
        return [layer.state for layer in self.layers]


def can_batch(model: Any) -> bool:
    """Whether rows of this model can be worked on together; a few families keep caches that cannot."""
    return all(hasattr(layer, "merge") for layer in make_prompt_cache(model))
