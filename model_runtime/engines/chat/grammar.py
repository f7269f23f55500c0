"""Answers that are JSON by construction: at every step only tokens that keep to the schema are left.

llguidance computes the mask on the CPU; it is applied with plain array operations, so it works without Metal, too.
"""

import json
from collections.abc import Sequence
from functools import cached_property

import mlx.core as mx
import numpy as np
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from model_runtime.errors import InvalidInput, JobFailed

ANY_OBJECT = '{"type": "object"}'
STYLE = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""One line, spaced like most JSON; without it a small model pads with line breaks until its tokens run out."""


class Grammars:
    """Makes the masks of one model. The vocabulary is prepared once, at the first answer that must be JSON."""

    def __init__(self, tokenizer: Tokenizer, end_tokens: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._end_tokens = list(end_tokens)

    def mask(self, schema: str) -> "JsonMask":
        """Return a fresh mask for a JSON schema; "{}" is any JSON object.

        Raises:
            InvalidInput: the schema is wrong or uses something that cannot be enforced.
        """
        wanted = schema if json.loads(schema) else ANY_OBJECT
        grammar = LLMatcher.grammar_from_json_schema(wanted, defaults=STYLE)
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            reason = matcher.get_error().partition("\n")[0]
            raise InvalidInput(
                f"The JSON schema cannot be used: {reason}. Change it, or ask for JSON without a schema.",
                param="json_schema",
                code="invalid_json_schema",
            )
        return JsonMask(matcher)

    @cached_property
    def _vocabulary(self) -> LLTokenizer:
        plain = Tokenizer.from_str(self._tokenizer.to_str())
        plain.no_padding()
        plain.no_truncation()
        return LLTokenizer(plain.to_str(), eos_token=self._end_tokens)


class JsonMask:
    """The mask of one answer as it grows. An error is kept, not raised: it must not end the rest of the batch."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher
        self._started = False
        self.error: JobFailed | None = None

    def constrain(self, last: int, logits: mx.array) -> mx.array:
        """Return the logits (1 x vocabulary) with -inf for every token that would leave the schema after `last`.

        The first call starts the answer; its `last` belongs to the prompt.
        """
        if self._started:
            self._matcher.consume_token(last)
        self._started = True
        if self._matcher.is_error():
            self.error = JobFailed(f"The answer could not be kept to its JSON schema: {self._matcher.get_error()}")
            return logits
        return mx.where(self._allowed(logits.shape[-1]), logits, -mx.inf)

    def _allowed(self, size: int) -> mx.array:
        """Booleans of shape 1 x size; models often have more logits than their tokenizer has words."""
        known = np.frombuffer(self._matcher.compute_logit_bias(), np.uint8)[:size] > 0
        return mx.array(np.pad(known, (0, size - known.size)))[None]
