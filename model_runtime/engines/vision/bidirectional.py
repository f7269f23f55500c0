"""Pictures read in both directions: each of their tokens attends to all others of the same picture, not only earlier ones.

Moondream2 and Gemma 3 were trained so; mlx-vlm reads them causally. The language model takes an attention mask, so all
it needs is a caller that knows which tokens belong to which picture.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mlx.core as mx
from mlx_vlm.models.base import cache_position_offset

TEXT = 0


class TwoWayReader:
    """A language model whose prompts come with `blocks`: for each token the number of its picture, or `TEXT`.

    Everything else is the language model's own. A picture must be read at once: it cannot attend to what is not there.
    """

    def __init__(self, language_model: Any) -> None:
        self.language_model = language_model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.language_model, name)

    def __call__(
        self, tokens: mx.array, cache: Any, inputs_embeds: Any = None, blocks: Sequence[int] = (), **_options: Any
    ) -> Any:
        """Read a part of a prompt; where it has no picture, plain causal attention is the model's own."""
        start = cache_position_offset(cache[0])
        end = start + tokens.shape[1]
        mask = two_way_mask(blocks[:end], start) if any(blocks[start:end]) else None
        return self.language_model(tokens, inputs_embeds=inputs_embeds, mask=mask, cache=cache)


def two_way_mask(blocks: Sequence[int], start: int) -> mx.array:
    """Return which tokens (last axis) each token from `start` on attends to; 1 x 1 x new x all, booleans."""
    places, picture = mx.arange(len(blocks)), mx.array(list(blocks))
    causal = places[None] <= places[start:, None]
    together = (picture[None] == picture[start:, None]) & (picture[None] != TEXT)
    return (causal | together)[None, None]


def runs(tokens: Sequence[int], picture_token: int) -> tuple[int, ...]:
    """Number the runs of `picture_token` from 1 on; every other token is `TEXT`."""
    if not tokens:
        return ()
    starts = [tokens[0] == picture_token, *(before != token == picture_token for before, token in pairwise(tokens))]
    number, blocks = 0, []
    for token, begins in zip(tokens, starts, strict=True):
        number += begins
        blocks.append(number if token == picture_token else TEXT)
    return tuple(blocks)
