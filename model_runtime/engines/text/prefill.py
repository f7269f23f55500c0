"""Prefill: run prompts through a text model to fill its KV cache, a long one in chunks, short ones together."""

from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from model_runtime.engines.text.kv_cache import BatchPromptCache

MIN_SINGLE_PASS_TOKENS = 64
"""Lower bound of `single_pass_tokens` for every model."""
BREAK_EVEN_TOKENS = 8
"""Number of tokens whose matmul takes as long as reading the weights once. Estimated for an M4, not measured.

On a CPU it is about 24; the difference had no measurable effect there.
"""


def single_pass_tokens(model: Any) -> int:
    """Return up to how many prompt tokens are faster in one pass with the last token, whose logits are needed.

    In one pass, the output head computes logits for all of them. Separately, as mlx-lm does it, the last token takes
    another pass over all weights. The largest matrix counts as the head.
    """
    # Expert weights have three dimensions. They do not count, because a token uses only a few of them.
    matrix_bytes = [array.nbytes for _, array in tree_flatten(model.parameters()) if array.ndim == 2]
    return max(MIN_SINGLE_PASS_TOKENS, BREAK_EVEN_TOKENS * sum(matrix_bytes) // max(matrix_bytes, default=1))


class PrefillBatch:
    """The prefill of one prompt in chunks, or of several prompts at once, into `prompt_cache`."""

    def __init__(
        self,
        model: Any,
        prompts: list[list[int]],
        prompt_cache: BatchPromptCache,
        *,
        prefill_chunk_tokens: int,
        single_pass_tokens: int,
    ) -> None:
        self.prompt_cache = prompt_cache
        self._model = model
        self._prompts = prompts
        self._prefill_chunk_tokens = prefill_chunk_tokens
        self._single_pass_tokens = min(single_pass_tokens, prefill_chunk_tokens)

    def advance(self) -> mx.array | None:
        """Prefill the next chunk; after the last one, return the logits (prompts, vocabulary) of the next tokens."""
        return self._advance_chunk(self._prompts[0]) if len(self._prompts) == 1 else self._prefill_all()

    def _advance_chunk(self, remaining: list[int]) -> mx.array | None:
        if len(remaining) > self._single_pass_tokens:
            count = min(self._prefill_chunk_tokens, len(remaining) - 1)
            self._fill_cache([remaining[:count]])
            remaining = self._prompts[0] = remaining[count:]
            if len(remaining) > 1:
                return None
        return self._forward([remaining])[:, -1]

    def _prefill_all(self) -> mx.array:
        lengths = [len(prompt) for prompt in self._prompts]
        if min(lengths) == 1 or max(lengths) * len(lengths) <= self._single_pass_tokens:
            return self._forward(self._prompts)[mx.arange(len(lengths)), mx.array(lengths) - 1]
        self._fill_cache([prompt[:-1] for prompt in self._prompts])
        return self._forward([prompt[-1:] for prompt in self._prompts])[:, -1]

    def _fill_cache(self, prompts: list[list[int]]) -> None:
        """Run prompts through the model without computing their logits."""
        self._forward(prompts)
        mx.eval(self.prompt_cache.state)  # MLX is lazy: the output head, whose result is unused, is not computed
        mx.clear_cache()

    def _forward(self, prompts: list[list[int]]) -> mx.array:
        """Return logits (prompts, tokens of the longest, vocabulary); shorter prompts are right-padded."""
        lengths = [len(prompt) for prompt in prompts]
        tokens = mx.array([prompt + [0] * (max(lengths) - len(prompt)) for prompt in prompts])
        with self.prompt_cache.right_padded(lengths):
            logits: mx.array = self._model(tokens, cache=self.prompt_cache.layers)
        return logits
