"""Cache of prompt embeddings: encoding takes a good part of a picture's time, and prompts are often repeated."""

from collections import OrderedDict
from collections.abc import Callable

import mlx.core as mx

PromptEmbedding = tuple[mx.array, ...]
"""The arrays that a family's transformer takes for a prompt, a few megabytes."""

MAX_CACHED_PROMPTS = 8


class PromptEmbeddingCache:
    """Encode prompts and cache the embeddings of the `max_prompts` most recently used."""

    def __init__(self, encode: Callable[[str], PromptEmbedding], max_prompts: int = MAX_CACHED_PROMPTS) -> None:
        self._encode = encode
        self._max_prompts = max_prompts
        self._embeddings: OrderedDict[str, PromptEmbedding] = OrderedDict()

    def get_or_encode(self, prompt: str) -> PromptEmbedding:
        """Return the embedding of a prompt, evaluated."""
        if prompt not in self._embeddings:
            embedding = self._encode(prompt)
            mx.eval(embedding)
            self._embeddings[prompt] = embedding
        self._embeddings.move_to_end(prompt)
        if len(self._embeddings) > self._max_prompts:
            self._embeddings.popitem(last=False)
        return self._embeddings[prompt]
