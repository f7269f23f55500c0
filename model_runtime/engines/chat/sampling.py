"""Sample the next token of each sequence in a batch with its own temperature, seed and mask.

The batches of mlx-lm and mlx-vlm share one sampler, an argmax. A sequence's logits processor therefore adds Gumbel
noise to its logits, so that their argmax is a sample from its distribution (the Gumbel-max trick). Each sequence has
its own random key, so a seed gives the same answer in every batch.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import mlx.core as mx

from model_runtime.engines.chat.grammar import GrammarMask
from model_runtime.engines.chat.logprobs import LogprobRecorder
from model_runtime.engines.chat.penalties import LogitPenalties
from model_runtime.requests import Chat

Sampler = Callable[[mx.array], mx.array]
"""sampler(logits) → float32 scores whose argmax is the sampled token; both (1, vocabulary)."""

SEED_COUNT = 2**64
MIN_TOP_P = 1e-6
"""With `top_p` 0 the likeliest token is still kept."""


def greedy(logits: mx.array) -> mx.array:
    """Return logits (1, vocabulary) as float32: in half precision, ties resolve differently alone and in a batch."""
    return logits.astype(mx.float32)


class CategoricalSampler:
    """Sample at `temperature` from the `top_k` likeliest tokens, of these from the fewest that reach `top_p`, and of
    these from those at least `min_p` times as likely as the likeliest. The order is that of vLLM and transformers.
    """

    def __init__(
        self, temperature: float, top_p: float = 1.0, seed: int | None = None, *, top_k: int = 0, min_p: float = 0.0
    ) -> None:
        self._temperature = temperature
        self._top_p = max(top_p, MIN_TOP_P)
        self._top_k = top_k
        self._min_p = min_p
        self._key = mx.random.key(secrets.randbits(64) if seed is None else seed % SEED_COUNT)

    def __call__(self, logits: mx.array) -> mx.array:
        """Return float32 logits (1, vocabulary) with new Gumbel noise; -inf for tokens that are not kept."""
        scaled = logits.astype(mx.float32) / self._temperature
        if 0 < self._top_k < scaled.shape[-1]:
            scaled = apply_top_k(scaled, self._top_k)
        if self._top_p < 1:
            scaled = apply_top_p(scaled, self._top_p)
        if self._min_p > 0:
            scaled = apply_min_p(scaled, self._min_p)
        self._key, key = mx.random.split(self._key)
        return scaled + mx.random.gumbel(scaled.shape, key=key)


def apply_top_p(logits: mx.array, top_p: float) -> mx.array:
    """Return logits (1, vocabulary) with -inf for all but the fewest tokens whose probabilities reach `top_p`."""
    sorted_indices = mx.argsort(-logits, axis=-1)
    sorted_probabilities = mx.take_along_axis(mx.softmax(logits, axis=-1), sorted_indices, axis=-1)
    cumulative_before = mx.cumsum(sorted_probabilities, axis=-1) - sorted_probabilities
    is_kept = mx.put_along_axis(mx.zeros(logits.shape, mx.bool_), sorted_indices, cumulative_before < top_p, axis=-1)
    return mx.where(is_kept, logits, -mx.inf)


def apply_top_k(logits: mx.array, top_k: int) -> mx.array:
    """Return logits (1, vocabulary) with -inf for all but the `top_k` likeliest tokens and those as likely.

    mlx-lm's own is compiled, which starts a C++ compiler on a CPU.
    """
    threshold = mx.min(mx.topk(logits, top_k, axis=-1), axis=-1, keepdims=True)
    return mx.where(logits >= threshold, logits, -mx.inf)


def apply_min_p(logits: mx.array, min_p: float) -> mx.array:
    """Return logits (1, vocabulary) with -inf for tokens less than `min_p` times as likely as the likeliest."""
    threshold = mx.max(logits, axis=-1, keepdims=True) + math.log(min_p)
    return mx.where(logits >= threshold, logits, -mx.inf)


def make_sampler(chat: Chat) -> Sampler:
    """Return the sampler of a chat; temperature 0 is greedy, seed None is random."""
    if chat.temperature == 0:
        return greedy
    return CategoricalSampler(chat.temperature, chat.top_p, chat.seed, top_k=chat.top_k, min_p=chat.min_p)


class TokenSampler:
    """Apply penalties, mask and sampler of one sequence. mlx-vlm calls it as the sequence's logits processor."""

    def __init__(
        self,
        sampler: Sampler,
        grammar_mask: GrammarMask | None = None,
        penalties: LogitPenalties | None = None,
        logprobs: LogprobRecorder | None = None,
    ) -> None:
        self._sample = sampler
        self.grammar_mask = grammar_mask
        self.logprobs = logprobs
        self._penalties = penalties

    @property
    def is_greedy(self) -> bool:
        """Whether it always samples the likeliest token."""
        return not (self.grammar_mask or self._penalties or self.logprobs) and self._sample is greedy

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the answer must tell of how its tokens were chosen."""
        return self.grammar_mask.warnings if self.grammar_mask else ()

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """Return float32 scores (1, vocabulary) of the token after `tokens`, the prompt and the answer so far."""
        last_token = tokens.reshape(-1)[-1:]
        last_token_id: Any = last_token.item() if self.grammar_mask else 0
        return self.score(last_token, last_token_id, logits)

    def process_last_token(self, last_token: int, logits: mx.array) -> mx.array:
        """Return float32 scores (1, vocabulary) of the token after `last_token`.

        mlx-vlm calls this method instead of `__call__` if it exists, which saves it an array of all tokens.
        """
        return self.score(mx.array([last_token]), last_token, logits)

    def score(self, last_token: mx.array, last_token_id: int, logits: mx.array) -> mx.array:
        """Return the same for a token (1,) that need not be evaluated; only a mask looks at its id."""
        if self.logprobs is not None:
            self.logprobs.record(logits)
        if self._penalties is not None:
            logits = self._penalties.apply(last_token, logits)
        if self.grammar_mask is not None:
            logits = self.grammar_mask.apply(last_token_id, logits)
        return self._sample(logits)


def sample(samplers: Sequence[TokenSampler], logits: mx.array, last_tokens: mx.array) -> mx.array:
    """Return the next token of every sequence, uint32 (sequences,), not evaluated.

    `logits` are (sequences, vocabulary); `last_tokens` (sequences,) are the tokens that they follow.
    """
    if all(sampler.is_greedy for sampler in samplers):
        return mx.argmax(logits, axis=-1)
    has_mask = any(sampler.grammar_mask for sampler in samplers)
    # Only a mask needs the last tokens now: reading them waits for the step that computes them.
    last_token_ids = read_token_ids(last_tokens) if has_mask else [0] * len(samplers)
    scores = [
        sampler.score(last_tokens[index : index + 1], last_token_ids[index], logits[index : index + 1])
        for index, sampler in enumerate(samplers)
    ]
    return mx.argmax(mx.concatenate(scores), axis=-1)


def read_token_ids(tokens: mx.array) -> list[int]:
    """Return token ids (sequences,) as integers, after waiting until they are computed."""
    return cast(list[int], tokens.tolist())
