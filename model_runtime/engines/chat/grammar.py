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

ANY_OBJECT_SCHEMA = '{"type": "object"}'
JSON_FORMAT = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""One line, spaced like most JSON; without it a small model pads with line breaks until its tokens run out."""


class GrammarCompiler:
    """Makes the masks of one model. The vocabulary is prepared once, at the first answer that must be JSON."""

    def __init__(self, tokenizer: Tokenizer, eos_token_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos_token_ids = list(eos_token_ids)

    def compile(self, schema: str) -> "GrammarMask":
        """Return a fresh mask for a JSON schema; "{}" is any JSON object.

        Raises:
            InvalidInput: the schema is wrong or uses something that cannot be enforced.
        """
        enforced_schema = schema if json.loads(schema) else ANY_OBJECT_SCHEMA
        grammar = LLMatcher.grammar_from_json_schema(enforced_schema, defaults=JSON_FORMAT)
        matcher = LLMatcher(self._grammar_tokenizer, grammar, log_level=0)
        if matcher.is_error():
            problem = matcher.get_error().partition("\n")[0]
            raise InvalidInput(
                f"The JSON schema cannot be used: {problem}. Change it, or ask for JSON without a schema.",
                param="json_schema",
                code="invalid_json_schema",
            )
        return GrammarMask(matcher)

    @cached_property
    def _grammar_tokenizer(self) -> LLTokenizer:
        unpadded = Tokenizer.from_str(self._tokenizer.to_str())
        unpadded.no_padding()
        unpadded.no_truncation()
        return LLTokenizer(unpadded.to_str(), eos_token=self._eos_token_ids)


class GrammarMask:
    """The mask of one answer as it grows. An error is kept, not raised: it must not end the rest of the batch."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher
        self._started = False
        self.error: JobFailed | None = None

    def apply(self, last_token: int, logits: mx.array) -> mx.array:
        """Return the logits (1 x vocabulary) with -inf for every token that would leave the schema after `last_token`.

        The first call starts the answer; its `last_token` belongs to the prompt.
        """
        if self._started:
            self._matcher.consume_token(last_token)
        self._started = True
        if self._matcher.is_error():
            self.error = JobFailed(f"The answer could not be kept to its JSON schema: {self._matcher.get_error()}")
            return logits
        return mx.where(self._allowed_tokens(logits.shape[-1]), logits, -mx.inf)

    def _allowed_tokens(self, logit_count: int) -> mx.array:
        """Booleans of shape 1 x size; models often have more logits than their tokenizer has words."""
        allowed = np.frombuffer(self._matcher.compute_logit_bias(), np.uint8)[:logit_count] > 0
        return mx.array(np.pad(allowed, (0, logit_count - allowed.size)))[None]
