"""Prompts on their way into the caches of a text model: a long one a chunk at a time, short ones together."""

from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from model_runtime.engines.text.kv_cache import BatchPromptCache

MIN_SINGLE_PASS_TOKENS = 64
"""So few are read with the last one among them, whatever the model."""
BREAK_EVEN_TOKENS = 8
"""For how many tokens a matrix multiplies in the time in which it is read once: reckoned for an M4, never measured there.

On a CPU it is some 24, where the larger number made no difference that could be measured.
"""


def single_pass_tokens(model: Any) -> int:
    """Return how many prompt tokens are better read in one go with the last, whose logits begin the answer.

    The head then computes logits for each of them. Read apart, as the libraries do it, the last token takes another
    pass over all weights. The largest matrix stands for the head; experts, of which a token meets few, do not count.
    """
    matrix_bytes = [array.nbytes for _, array in tree_flatten(model.parameters()) if array.ndim == 2]
    return max(MIN_SINGLE_PASS_TOKENS, BREAK_EVEN_TOKENS * sum(matrix_bytes) // max(matrix_bytes, default=1))


class PrefillBatch:
    """Prompts being read into `prompt_cache`: one, or several that are read at once however long they are."""

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
        """Read on, and return the logits after each prompt, rows x vocabulary, once all is read."""
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
        """Read without wanting logits, which therefore are never computed."""
        self._forward(prompts)
        mx.eval(self.prompt_cache.state)
        mx.clear_cache()

    def _forward(self, prompts: list[list[int]]) -> mx.array:
        """Logits after every token, rows x longest x vocabulary; shorter prompts are padded behind their end."""
        lengths = [len(prompt) for prompt in prompts]
        tokens = mx.array([prompt + [0] * (max(lengths) - len(prompt)) for prompt in prompts])
        with self.prompt_cache.right_padded(lengths):
            logits: mx.array = self._model(tokens, cache=self.prompt_cache.layers)
        return logits
