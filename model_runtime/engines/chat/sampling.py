"""Each row of a batch draws its own next token.

The libraries' batches share one sampler, an argmax. A row's logits processor therefore turns its logits into numbers
whose argmax is a draw from the row's own distribution: logits plus Gumbel noise (the Gumbel-max trick). The noise
comes from the row's own key, so a seed gives the same answer whoever else is in the batch.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import mlx.core as mx

from model_runtime.engines.chat.grammar import GrammarMask

Sampler = Callable[[mx.array], mx.array]
"""sampler(logits of shape 1 x vocabulary) → numbers of that shape whose argmax is the choice."""

SEED_COUNT = 2**64
MIN_TOP_P = 1e-6
"""`top_p` 0 leaves the likeliest token, not none."""


def greedy(logits: mx.array) -> mx.array:
    """Leave the choice to argmax, in float32: with half the bits, ties fall differently alone and in a batch."""
    return logits.astype(mx.float32)


class CategoricalSampler:
    """A sampler that draws at `temperature` from the likeliest tokens that make up `top_p`."""

    def __init__(self, temperature: float, top_p: float = 1.0, seed: int | None = None) -> None:
        self._temperature = temperature
        self._top_p = max(top_p, MIN_TOP_P)
        self._key = mx.random.key(secrets.randbits(64) if seed is None else seed % SEED_COUNT)

    def __call__(self, logits: mx.array) -> mx.array:
        """Return float32 logits with this draw's noise; -inf for tokens outside `top_p`."""
        scaled = logits.astype(mx.float32) / self._temperature
        if self._top_p < 1:
            scaled = apply_top_p(scaled, self._top_p)
        self._key, key = mx.random.split(self._key)
        return scaled + mx.random.gumbel(scaled.shape, key=key)


def apply_top_p(logits: mx.array, top_p: float) -> mx.array:
    """Keep the fewest tokens whose probabilities reach `top_p`; the others become -inf."""
    sorted_indices = mx.argsort(-logits, axis=-1)
    sorted_probabilities = mx.take_along_axis(mx.softmax(logits, axis=-1), sorted_indices, axis=-1)
    cumulative_before = mx.cumsum(sorted_probabilities, axis=-1) - sorted_probabilities
    is_kept = mx.put_along_axis(mx.zeros(logits.shape, mx.bool_), sorted_indices, cumulative_before < top_p, axis=-1)
    return mx.where(is_kept, logits, -mx.inf)


def make_sampler(temperature: float, top_p: float, seed: int | None) -> Sampler:
    """Return the sampler for a request; temperature 0 is greedy."""
    return CategoricalSampler(temperature, top_p, seed) if temperature > 0 else greedy


class TokenSampler:
    """How one row chooses: first its mask, then its sampler. mlx-vlm takes it as the row's logits processor."""

    def __init__(self, sampler: Sampler, grammar_mask: GrammarMask | None = None) -> None:
        self._sample = sampler
        self.grammar_mask = grammar_mask

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is the choice."""
        return self.grammar_mask is None and self._sample is greedy

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """Choose after `tokens`, prompt and answer so far."""
        if self.grammar_mask is None:
            return self._sample(logits)
        last_token: Any = tokens.reshape(-1)[-1].item()
        return self.process_last_token(last_token, logits)

    def process_last_token(self, last_token: int, logits: mx.array) -> mx.array:
        """Choose after `last_token`; what mlx-vlm calls instead where it is there, to save building an array."""
        return self._sample(logits if self.grammar_mask is None else self.grammar_mask.apply(last_token, logits))


def sample(samplers: Sequence[TokenSampler], logits: mx.array, last_tokens: mx.array) -> mx.array:
    """Return the next token of every row: by its choice, from its logits, after its token in `last_tokens`.

    Where all want the likeliest, that is one argmax. Only a mask waits for `last_tokens` to be computed.
    """
    if all(sampler.is_greedy for sampler in samplers):
        return mx.argmax(logits, axis=-1)
    last_token_ids = (
        read_token_ids(last_tokens) if any(sampler.grammar_mask for sampler in samplers) else [0] * len(samplers)
    )
    scores = [
        sampler.process_last_token(last_token_ids[row], logits[row : row + 1]) for row, sampler in enumerate(samplers)
    ]
    return mx.argmax(mx.concatenate(scores), axis=-1)


def read_token_ids(tokens: mx.array) -> list[int]:
    """Wait for tokens that are being computed, and return them."""
    return cast(list[int], tokens.tolist())
