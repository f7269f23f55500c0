"""mlx-vlm's batch generator as a `Batch`.

It is given one prompt at a time: prompts of different lengths read together break on the attention masks of Moondream2
and Gemma 3, and a failing one would take the others with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mlx_vlm.generate import BatchGenerator

from model_runtime.engines.chat.engine import MAX_ROWS, Place, Token
from model_runtime.engines.chat.sampling import Choice
from model_runtime.engines.chat.sequence import Prompt

CHUNK_TOKENS = 512

Embed = Callable[[Prompt], Mapping[str, Any]]
"""embed(prompt) → `inputs_embeds` (1 x tokens x width) and what else the language model takes while it reads."""


class VlmBatch:
    """`words` is a processor or tokenizer of mlx-vlm: the generator asks its `stopping_criteria` for the end."""

    max_rows = MAX_ROWS
    reads_together = False

    def __init__(self, language_model: Any, words: Any, embed: Embed, chunk_tokens: int = CHUNK_TOKENS) -> None:
        self.chunk_tokens = chunk_tokens
        self._embed = embed
        self._generator = BatchGenerator(
            language_model,
            words,
            completion_batch_size=MAX_ROWS,
            prefill_batch_size=1,
            prefill_step_size=chunk_tokens,
            compute_logprobs=False,
        )

    def insert(self, prompt: Prompt, max_tokens: int, choice: Choice) -> Place:
        """Embed a prompt and add a row."""
        embedded = dict(self._embed(prompt))
        rows = self._generator.insert([prompt.tokens], [max_tokens], [embedded], [[choice]])
        return Place(int(rows[0]))

    def next(self) -> list[Token]:
        """Write one token of every answer, and read a chunk of a prompt where one waits."""
        _, responses = self._generator.next()
        return [Token(response.uid, response.token, response.finish_reason) for response in responses]

    def remove(self, row: int) -> None:
        """Drop a row."""
        self._generator.remove(row)

    def close(self) -> None:
        """Unwire memory."""
        self._generator.close()
