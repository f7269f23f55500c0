"""Biases and penalties of logits: OpenAI's `logit_bias`, `frequency_penalty` and `presence_penalty`, and the
`repetition_penalty` of other servers, all computed by mlx-lm's processors.
"""

from collections.abc import Callable, Sequence

import mlx.core as mx

from model_runtime.errors import InvalidInput
from model_runtime.requests import Chat

LogitsProcessor = Callable[[mx.array, mx.array], mx.array]
"""processor(tokens, logits) → logits (1, vocabulary)."""

ALL_TOKENS = 2**31
"""Tokens that a penalty looks back on: mlx-lm's 20 are a choice of its own, OpenAI counts the whole answer."""


class LogitPenalties:
    """The biases and penalties of one answer. Tokens stay on the device, so that no step waits for them."""

    def __init__(self, chat: Chat, prompt: Sequence[int]) -> None:
        from mlx_lm.sample_utils import make_logits_processors  # a vision model needs nothing else of mlx-lm

        # OpenAI counts what the model wrote; `repetition_penalty` counts the prompt, too, as in vLLM and transformers
        self._answer_processors: list[LogitsProcessor] = make_logits_processors(
            dict(chat.logit_bias),
            presence_penalty=chat.presence_penalty,
            presence_context_size=ALL_TOKENS,
            frequency_penalty=chat.frequency_penalty,
            frequency_context_size=ALL_TOKENS,
        )
        self._text_processors: list[LogitsProcessor] = make_logits_processors(
            repetition_penalty=None if chat.repetition_penalty == 1 else chat.repetition_penalty,
            repetition_context_size=ALL_TOKENS,
        )
        self._prompt = mx.array([*prompt], mx.uint32)
        self._answer: mx.array | None = None

    def apply(self, last_token: mx.array, logits: mx.array) -> mx.array:
        """Return float32 logits (1, vocabulary) of the token after `last_token` (1,), which need not be evaluated."""
        if self._answer is None:  # the last token of the first call belongs to the prompt
            self._answer = mx.array([], mx.uint32)
        else:
            self._answer = mx.concatenate([self._answer, last_token.astype(mx.uint32)])
        logits = logits.astype(mx.float32)
        for processor in self._answer_processors:
            logits = processor(self._answer, logits)
        for processor in self._text_processors:
            logits = processor(mx.concatenate([self._prompt, self._answer]), logits)
        return logits


def make_penalties(chat: Chat, prompt: Sequence[int], vocabulary_size: int) -> LogitPenalties | None:
    """Return the penalties of a chat, None if it has none.

    Raises:
        InvalidInput: a token of `logit_bias` is not in the vocabulary.
    """
    unknown = [token for token, _ in chat.logit_bias if token >= vocabulary_size]
    if unknown:
        raise InvalidInput(
            f"logit_bias has the token {unknown[0]}, but the vocabulary of {chat.model} ends at {vocabulary_size - 1}. "
            "Token ids differ from model to model; leave it out.",
            param="logit_bias",
        )
    has_any = chat.logit_bias or chat.frequency_penalty or chat.presence_penalty or chat.repetition_penalty != 1
    return LogitPenalties(chat, prompt) if has_any else None
