"""mlx-vlm's batch generator as a `GenerationBatch`.

It is given one prompt at a time: prompts of different lengths read together break on the attention masks of Moondream2
and Gemma 3, and a failing one would take the others with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mlx_vlm.generate import BatchGenerator

from model_runtime.engines.chat.engine import MAX_SEQUENCES, GeneratedToken, InsertResult
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.chat.sequence import Prompt

PREFILL_CHUNK_TOKENS = 512

PromptEmbedder = Callable[[Prompt], Mapping[str, Any]]
"""embed(prompt) → `inputs_embeds` (1 x tokens x width) and what else the language model takes while it reads."""


class VisionBatch:
    """`processor` is a processor or tokenizer of mlx-vlm: the generator asks its `stopping_criteria` for the end."""

    max_sequences = MAX_SEQUENCES
    supports_batched_prefill = False

    def __init__(
        self,
        language_model: Any,
        processor: Any,
        embed: PromptEmbedder,
        prefill_chunk_tokens: int = PREFILL_CHUNK_TOKENS,
    ) -> None:
        self.prefill_chunk_tokens = prefill_chunk_tokens
        self._embed = embed
        self._generator = BatchGenerator(
            language_model,
            processor,
            completion_batch_size=MAX_SEQUENCES,
            prefill_batch_size=1,
            prefill_step_size=prefill_chunk_tokens,
            compute_logprobs=False,
        )

    def insert(self, prompt: Prompt, max_tokens: int, sampler: TokenSampler) -> InsertResult:
        """Embed a prompt and add a row."""
        model_inputs = dict(self._embed(prompt))
        uids = self._generator.insert([prompt.token_ids], [max_tokens], [model_inputs], [[sampler]])
        return InsertResult(int(uids[0]))

    def next(self) -> list[GeneratedToken]:
        """Write one token of every answer, and read a chunk of a prompt where one waits."""
        _, responses = self._generator.next()
        return [GeneratedToken(response.uid, response.token, response.finish_reason) for response in responses]

    def remove(self, uid: int) -> None:
        """Drop a row."""
        self._generator.remove(uid)

    def close(self) -> None:
        """Unwire memory."""
        self._generator.close()
