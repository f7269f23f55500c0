"""Bidirectional attention within pictures: an image token attends to all tokens of its picture, not only earlier ones.

Moondream2 and Gemma 3 were trained like this, but mlx-vlm runs them with causal attention. Their language models take
an attention mask, which this module computes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mlx.core as mx
from mlx_vlm.models.base import cache_position_offset

TEXT_TOKEN = 0
"""The image id of a token that belongs to no picture."""


class BidirectionalLanguageModel:
    """A language model with `image_ids`, the number of each prompt token's picture or `TEXT_TOKEN`.

    One call must contain all tokens of a picture. All other attributes are those of `language_model`.
    """

    def __init__(self, language_model: Any) -> None:
        self.language_model = language_model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.language_model, name)

    def __call__(
        self, tokens: mx.array, cache: Any, inputs_embeds: Any = None, image_ids: Sequence[int] = (), **_options: Any
    ) -> Any:
        """Run a part of a prompt, `tokens` (1, tokens) or `inputs_embeds` (1, tokens, width), without a picture with the
        model's own causal mask.
        """
        start = cache_position_offset(cache[0])
        end = start + tokens.shape[1]
        mask = bidirectional_mask(image_ids[:end], start) if any(image_ids[start:end]) else None
        return self.language_model(tokens, inputs_embeds=inputs_embeds, mask=mask, cache=cache)


def bidirectional_mask(image_ids: Sequence[int], start: int) -> mx.array:
    """Return booleans (1, 1, new tokens, all tokens): whether a token from `start` on attends to another."""
    positions, image_id = mx.arange(len(image_ids)), mx.array(list(image_ids))
    causal = positions[None] <= positions[start:, None]
    same_image = (image_id[None] == image_id[start:, None]) & (image_id[None] != TEXT_TOKEN)
    return (causal | same_image)[None, None]


def label_image_tokens(tokens: Sequence[int], image_token: int) -> tuple[int, ...]:
    """Return the image id of each token: runs of `image_token` count from 1, other tokens are `TEXT_TOKEN`."""
    if not tokens:
        return ()
    run_starts = [tokens[0] == image_token, *(before != token == image_token for before, token in pairwise(tokens))]
    image_id, image_ids = 0, []
    for token, is_run_start in zip(tokens, run_starts, strict=True):
        image_id += is_run_start
        image_ids.append(image_id if token == image_token else TEXT_TOKEN)
    return tuple(image_ids)
