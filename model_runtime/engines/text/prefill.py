"""Prompts on their way into the caches of a text model: a long one a chunk at a time, short ones together."""

from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from model_runtime.engines.text.kv_cache import RowCaches

LEAST_WHOLE_TOKENS = 64
"""So few are read with the last one among them, whatever the model."""
TOKENS_A_PASS = 8
"""For how many tokens a matrix multiplies in the time in which it is read once: reckoned for an M4, never measured there.

On a CPU it is some 24, where the larger number made no difference that could be measured.
"""


def whole_tokens(model: Any) -> int:
    """Return how many prompt tokens are better read in one go with the last, whose logits begin the answer.

    The head then computes logits for each of them. Read apart, as the libraries do it, the last token takes another
    pass over all weights. The largest matrix stands for the head; experts, of which a token meets few, do not count.
    """
    matrices = [array.nbytes for _, array in tree_flatten(model.parameters()) if array.ndim == 2]
    return max(LEAST_WHOLE_TOKENS, TOKENS_A_PASS * sum(matrices) // max(matrices, default=1))


class Reading:
    """Prompts being read into `caches`: one, or several that are read at once however long they are."""

    def __init__(
        self, model: Any, prompts: list[list[int]], caches: RowCaches, *, chunk_tokens: int, whole_tokens: int
    ) -> None:
        self.caches = caches
        self._model = model
        self._prompts = prompts
        self._chunk_tokens = chunk_tokens
        self._whole_tokens = min(whole_tokens, chunk_tokens)

    def read(self) -> mx.array | None:
        """Read on, and return the logits after each prompt, rows x vocabulary, once all is read."""
        return self._read_on(self._prompts[0]) if len(self._prompts) == 1 else self._read_all()

    def _read_on(self, rest: list[int]) -> mx.array | None:
        if len(rest) > self._whole_tokens:
            count = min(self._chunk_tokens, len(rest) - 1)
            self._absorb([rest[:count]])
            rest = self._prompts[0] = rest[count:]
            if len(rest) > 1:
                return None
        return self._logits([rest])[:, -1]

    def _read_all(self) -> mx.array:
        lengths = [len(prompt) for prompt in self._prompts]
        if min(lengths) == 1 or max(lengths) * len(lengths) <= self._whole_tokens:
            return self._logits(self._prompts)[mx.arange(len(lengths)), mx.array(lengths) - 1]
        self._absorb([prompt[:-1] for prompt in self._prompts])
        return self._logits([prompt[-1:] for prompt in self._prompts])[:, -1]

    def _absorb(self, prompts: list[list[int]]) -> None:
        """Read without wanting logits, which therefore are never computed."""
        self._logits(prompts)
        mx.eval(self.caches.states)
        mx.clear_cache()

    def _logits(self, prompts: list[list[int]]) -> mx.array:
        """Logits after every token, rows x longest x vocabulary; shorter prompts are padded behind their end."""
        lengths = [len(prompt) for prompt in prompts]
        tokens = mx.array([prompt + [0] * (max(lengths) - len(prompt)) for prompt in prompts])
        with self.caches.padded(lengths):
            logits: mx.array = self._model(tokens, cache=self.caches.layers)
        return logits
