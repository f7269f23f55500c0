"""Continuous batching for text models: one token per sequence per step.

The next step is launched before the tokens of the previous one are returned. Compared with mlx-lm's generator, this
one saves log-probabilities, a last step for finished sequences, a pass over the weights for the last token of a short
prompt, and sampling one sequence at a time if all are greedy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import maybe_set_recommended_wired_limit

from model_runtime.engines.chat.engine import GeneratedToken, InsertResult
from model_runtime.engines.chat.sampling import TokenSampler, read_token_ids, sample
from model_runtime.engines.chat.sequence import FinishReason, Prompt
from model_runtime.engines.text.kv_cache import BatchPromptCache
from model_runtime.engines.text.prefill import PrefillBatch
from model_runtime.engines.text.prefix_cache import PrefixCache

PREFILL_CHUNK_TOKENS = 512
"""Prompt tokens of a sequence in one prefill step; decoding sequences wait for it."""


@dataclass(slots=True)
class _Slot:
    """A sequence of the batch."""

    uid: int
    prompt: list[int]
    remaining_tokens: int
    """Tokens until its length limit that have not been returned."""
    sampler: TokenSampler
    cached_tokens: int
    """Prompt tokens that `prompt_cache` already holds."""
    prompt_cache: list[Any]
    """One cache per layer, until the prefill takes them."""
    generated: list[int] = field(default_factory=list)

    def take_prompt_cache(self) -> list[Any]:
        """Return the caches and drop the reference, so that their memory can be freed."""
        prompt_cache, self.prompt_cache = self.prompt_cache, []
        return prompt_cache


class TextBatch:
    """A `GenerationBatch` for any model of mlx-lm. `single_pass_tokens` is the result of that function in `prefill`."""

    prefill_chunk_tokens = PREFILL_CHUNK_TOKENS
    supports_batched_prefill = True

    def __init__(
        self,
        model: Any,
        eos_token_ids: Sequence[int],
        prefix_cache: PrefixCache,
        *,
        max_sequences: int,
        single_pass_tokens: int,
    ) -> None:
        self.max_sequences = max_sequences
        self._model = model
        self._eos_token_ids = frozenset(eos_token_ids)
        self._prefix_cache = prefix_cache
        self._single_pass_tokens = single_pass_tokens
        self._uids = count()
        self._waiting: list[_Slot] = []
        self._prefilling: list[_Slot] = []
        self._prefill: PrefillBatch | None = None
        self._decoding: list[_Slot] = []
        self._prompt_cache: BatchPromptCache | None = None
        self._next_tokens = mx.array([], mx.uint32)
        self._previous_wired_limit = maybe_set_recommended_wired_limit()

    def insert(self, prompt: Prompt, max_tokens: int, sampler: TokenSampler) -> InsertResult:
        """Add a sequence; its prefill starts after the tokens that the prefix cache holds."""
        cached_tokens, prompt_cache = self._prefix_cache.lookup(prompt.token_ids)
        prompt_cache = prompt_cache or make_prompt_cache(self._model)
        slot = _Slot(next(self._uids), prompt.token_ids, max_tokens, sampler, cached_tokens, prompt_cache)
        self._waiting.append(slot)
        return InsertResult(slot.uid, cached_tokens)

    def next(self) -> list[GeneratedToken]:
        """Prefill one chunk of the waiting prompts, and return one token of every decoding sequence."""
        self._advance_prefill()
        return self._decode() if self._decoding else []

    def remove(self, uid: int) -> None:
        """Remove a sequence."""
        self._waiting = [slot for slot in self._waiting if slot.uid != uid]
        # A prefill of several prompts ends within one step, so this one has no other sequence.
        if uid in [slot.uid for slot in self._prefilling]:
            self._prefilling, self._prefill = [], None
        self._filter([index for index, slot in enumerate(self._decoding) if slot.uid != uid])

    def close(self) -> None:
        """Restore the previous limit of wired memory."""
        if self._previous_wired_limit is not None:
            mx.synchronize()
            mx.set_wired_limit(self._previous_wired_limit)

    def _advance_prefill(self) -> None:
        """Prefill the next chunk. Several prompts finish in one call; a long one delays those after it."""
        if self._prefill is None:
            if not self._waiting:
                return
            self._prefilling, self._waiting = self._waiting, []
            self._prefill = PrefillBatch(
                self._model,
                [slot.prompt[slot.cached_tokens :] for slot in self._prefilling],
                BatchPromptCache.merge([slot.take_prompt_cache() for slot in self._prefilling]),
                prefill_chunk_tokens=PREFILL_CHUNK_TOKENS,
                single_pass_tokens=self._single_pass_tokens,
            )
        logits = self._prefill.advance()
        if logits is not None:
            self._start_decoding(self._prefilling, self._prefill.prompt_cache, logits)
            self._prefilling, self._prefill = [], None

    def _start_decoding(self, slots: list[_Slot], prompt_cache: BatchPromptCache, logits: mx.array) -> None:
        """Sample the first tokens of prefilled sequences and add these to the decoding ones."""
        first_tokens = self._sample(slots, logits, mx.array([slot.prompt[-1] for slot in slots]))
        if self._prompt_cache is None:
            self._decoding, self._prompt_cache, self._next_tokens = slots, prompt_cache, first_tokens
        else:
            self._decoding = [*self._decoding, *slots]
            self._prompt_cache.extend(prompt_cache)
            self._next_tokens = mx.concatenate([self._next_tokens, first_tokens])

    def _decode(self) -> list[GeneratedToken]:
        """Launch the next step, then wait for the tokens of the previous one and return them."""
        slots, sampled = self._decoding, self._next_tokens
        self._filter([index for index, slot in enumerate(slots) if slot.remaining_tokens > 1])
        if self._prompt_cache is not None:
            logits = self._model(self._next_tokens[:, None], cache=self._prompt_cache.layers)[:, -1]
            self._next_tokens = self._sample(self._decoding, logits, self._next_tokens)
        tokens = [self._emit(slot, token) for slot, token in zip(slots, read_token_ids(sampled), strict=True)]
        finished = {token.uid for token in tokens if token.finish_reason}
        self._filter([index for index, slot in enumerate(self._decoding) if slot.uid not in finished])
        return tokens

    def _emit(self, slot: _Slot, token_id: int) -> GeneratedToken:
        slot.remaining_tokens -= 1
        slot.generated.append(token_id)
        finish_reason: FinishReason | None = (
            "stop" if token_id in self._eos_token_ids else None if slot.remaining_tokens else "length"
        )
        return GeneratedToken(slot.uid, token_id, finish_reason)

    def _sample(self, slots: list[_Slot], logits: mx.array, last_tokens: mx.array) -> mx.array:
        sampled = sample([slot.sampler for slot in slots], logits, last_tokens)
        mx.async_eval(sampled)  # type: ignore[no-untyped-call] # the device computes while Python handles outputs
        return sampled

    def _filter(self, indices: list[int]) -> None:
        """Keep these sequences of the decoding ones. The caches of the others go to the prefix cache."""
        if self._prompt_cache is None or len(indices) == len(self._decoding):
            return
        if self._prefix_cache.is_enabled:
            for index in sorted(set(range(len(self._decoding))) - set(indices)):
                slot = self._decoding[index]
                self._prefix_cache.store(slot.prompt + slot.generated, self._prompt_cache.extract(index))
        self._decoding = [self._decoding[index] for index in indices]
        if indices:
            self._prompt_cache.filter(indices)
            self._next_tokens = self._next_tokens[mx.array(indices)]
        else:
            self._prompt_cache = None
