"""Pictures read in both directions: each of their tokens attends to all others of the same picture, not only earlier ones.

Moondream2 and Gemma 3 were trained so; mlx-vlm reads them causally. The language model takes an attention mask, so all
it needs is a caller that knows which tokens belong to which picture.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mlx.core as mx
from mlx_vlm.models.base import cache_position_offset

TEXT_TOKEN = 0


class BidirectionalLanguageModel:
    """A language model whose prompts come with `image_ids`: for each token the number of its picture, or `TEXT_TOKEN`.

    Everything else is the language model's own. A picture must be read at once: it cannot attend to what is not there.
    """

    def __init__(self, language_model: Any) -> None:
        self.language_model = language_model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.language_model, name)

    def __call__(
        self, tokens: mx.array, cache: Any, inputs_embeds: Any = None, image_ids: Sequence[int] = (), **_options: Any
    ) -> Any:
        """Read a part of a prompt; where it has no picture, plain causal attention is the model's own."""
        start = cache_position_offset(cache[0])
        end = start + tokens.shape[1]
        mask = bidirectional_mask(image_ids[:end], start) if any(image_ids[start:end]) else None
        return self.language_model(tokens, inputs_embeds=inputs_embeds, mask=mask, cache=cache)


def bidirectional_mask(image_ids: Sequence[int], start: int) -> mx.array:
    """Return which tokens (last axis) each token from `start` on attends to; 1 x 1 x new x all, booleans."""
    positions, image_id = mx.arange(len(image_ids)), mx.array(list(image_ids))
    causal = positions[None] <= positions[start:, None]
    same_image = (image_id[None] == image_id[start:, None]) & (image_id[None] != TEXT_TOKEN)
    return (causal | same_image)[None, None]


def label_image_tokens(tokens: Sequence[int], image_token: int) -> tuple[int, ...]:
    """Number the runs of `image_token` from 1 on; every other token is `TEXT_TOKEN`."""
    if not tokens:
        return ()
    run_starts = [tokens[0] == image_token, *(before != token == image_token for before, token in pairwise(tokens))]
    image_id, image_ids = 0, []
    for token, is_run_start in zip(tokens, run_starts, strict=True):
        image_id += is_run_start
        image_ids.append(image_id if token == image_token else TEXT_TOKEN)
    return tuple(image_ids)
