"""mlx-vlm's batch generator as a `GenerationBatch`.

It prefills one prompt at a time: prompts of different lengths together fail with the attention masks of Moondream2 and
Gemma 3, and an error in one prompt would end the others.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mlx_vlm.generate import BatchGenerator

from model_runtime.engines.chat.engine import MAX_SEQUENCES, GeneratedToken, InsertResult
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.chat.sequence import Prompt

PREFILL_CHUNK_TOKENS = 512
"""Prompt tokens in one prefill step; decoding sequences wait for it."""

PromptEmbedder = Callable[[Prompt], Mapping[str, Any]]
"""embed(prompt) → keyword arguments of the language model for the prefill, such as `inputs_embeds` (1, tokens, width)."""


class VisionBatch:
    """mlx-vlm's `BatchGenerator`. Of `processor` it uses only `stopping_criteria`, which know the end tokens."""

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
        """Embed a prompt and add its sequence."""
        model_inputs = dict(self._embed(prompt))
        uids = self._generator.insert([prompt.token_ids], [max_tokens], [model_inputs], [[sampler]])
        return InsertResult(int(uids[0]))

    def next(self) -> list[GeneratedToken]:
        """Prefill one chunk of a waiting prompt, and return one token of every decoding sequence."""
        _, responses = self._generator.next()
        return [GeneratedToken(response.uid, response.token, response.finish_reason) for response in responses]

    def remove(self, uid: int) -> None:
        """Remove a sequence."""
        self._generator.remove(uid)

    def close(self) -> None:
        """Restore the previous limit of wired memory."""
        self._generator.close()
