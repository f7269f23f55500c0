"""Each row of a batch draws its own next token.

The libraries' batches share one sampler, an argmax. A row's logits processor therefore turns its logits into numbers
whose argmax is a draw from the row's own distribution: logits plus Gumbel noise (the Gumbel-max trick). The noise
comes from the row's own key, so a seed gives the same answer whoever else is in the batch.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import mlx.core as mx

from model_runtime.engines.chat.grammar import JsonMask

Sampler = Callable[[mx.array], mx.array]
"""sampler(logits of shape 1 x vocabulary) → numbers of that shape whose argmax is the choice."""

SEEDS = 2**64
LEAST_TOP_P = 1e-6
"""`top_p` 0 leaves the likeliest token, not none."""


def greedy(logits: mx.array) -> mx.array:
    """Leave the choice to argmax, in float32: with half the bits, ties fall differently alone and in a batch."""
    return logits.astype(mx.float32)


class Draw:
    """A sampler that draws at `temperature` from the likeliest tokens that make up `top_p`."""

    def __init__(self, temperature: float, top_p: float = 1.0, seed: int | None = None) -> None:
        self._temperature = temperature
        self._top_p = max(top_p, LEAST_TOP_P)
        self._key = mx.random.key(secrets.randbits(64) if seed is None else seed % SEEDS)

    def __call__(self, logits: mx.array) -> mx.array:
        """Return float32 logits with this draw's noise; -inf for tokens outside `top_p`."""
        scaled = logits.astype(mx.float32) / self._temperature
        if self._top_p < 1:
            scaled = likeliest(scaled, self._top_p)
        self._key, key = mx.random.split(self._key)
        return scaled + mx.random.gumbel(scaled.shape, key=key)


def likeliest(logits: mx.array, top_p: float) -> mx.array:
    """Keep the fewest tokens whose probabilities reach `top_p`; the others become -inf."""
    order = mx.argsort(-logits, axis=-1)
    ordered = mx.take_along_axis(mx.softmax(logits, axis=-1), order, axis=-1)
    before = mx.cumsum(ordered, axis=-1) - ordered
    kept = mx.put_along_axis(mx.zeros(logits.shape, mx.bool_), order, before < top_p, axis=-1)
    return mx.where(kept, logits, -mx.inf)


def sampler(temperature: float, top_p: float, seed: int | None) -> Sampler:
    """Return the sampler for a request; temperature 0 is greedy."""
    return Draw(temperature, top_p, seed) if temperature > 0 else greedy


class Choice:
    """How one row chooses: first its mask, then its sampler. mlx-vlm takes it as the row's logits processor."""

    def __init__(self, sampler: Sampler, mask: JsonMask | None = None) -> None:
        self._sampler = sampler
        self.mask = mask

    @property
    def is_plain(self) -> bool:
        """Whether the likeliest token is the choice."""
        return self.mask is None and self._sampler is greedy

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """Choose after `tokens`, prompt and answer so far."""
        if self.mask is None:
            return self._sampler(logits)
        last: Any = tokens.reshape(-1)[-1].item()
        return self.process_last_token(last, logits)

    def process_last_token(self, last: int, logits: mx.array) -> mx.array:
        """Choose after the token `last`; what mlx-vlm calls instead where it is there, to save building an array."""
        return self._sampler(logits if self.mask is None else self.mask.constrain(last, logits))


def choose(choices: Sequence[Choice], logits: mx.array, last: mx.array) -> mx.array:
    """Return the next token of every row: by its choice, from its logits, after its token in `last`.

    Where all want the likeliest, that is one argmax. Only a mask waits for `last` to be computed.
    """
    if all(choice.is_plain for choice in choices):
        return mx.argmax(logits, axis=-1)
    before = numbers(last) if any(choice.mask for choice in choices) else [0] * len(choices)
    scores = [choice.process_last_token(before[row], logits[row : row + 1]) for row, choice in enumerate(choices)]
    return mx.argmax(mx.concatenate(scores), axis=-1)


def numbers(tokens: mx.array) -> list[int]:
    """Wait for tokens that are being computed, and return them."""
    return cast(list[int], tokens.tolist())
