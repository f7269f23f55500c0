"""Constrain answers to a JSON schema: at every step, only tokens that keep to the schema are allowed.

llguidance computes the mask on the CPU. It is applied with plain array operations, so it works without Metal.
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
"""llguidance's format options: one line, spaced like most JSON. With flexible whitespace a small model writes line
breaks until its tokens run out."""


class GrammarCompiler:
    """Compile JSON schemas and other grammars for one model. The vocabulary is prepared once, with the first schema."""

    def __init__(self, tokenizer: Tokenizer, eos_token_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos_token_ids = list(eos_token_ids)

    def compile(self, schema: str) -> "GrammarMask":
        """Return a new mask for a JSON schema; "{}" means any JSON object.

        Raises:
            InvalidInput: the schema is malformed or has a part that llguidance cannot enforce.
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

    def compile_tool_calls(self, grammar: str) -> "GrammarMask":
        """Return a new mask for a grammar of `tool_grammar`.

        Raises:
            InvalidInput: the schema of a tool is malformed or has a part that llguidance cannot enforce.
        """
        matcher = LLMatcher(self._grammar_tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            problem = matcher.get_error().partition("\n")[0]
            raise InvalidInput(
                f"The parameters of a tool cannot be enforced: {problem}. Change their JSON schema, or leave tool_choice "
                'at "auto" and strict out.',
                param="tools",
                code="invalid_function_parameters",
            )
        return GrammarMask(matcher)

    @cached_property
    def _grammar_tokenizer(self) -> LLTokenizer:
        unpadded = Tokenizer.from_str(self._tokenizer.to_str())
        unpadded.no_padding()
        unpadded.no_truncation()
        return LLTokenizer(unpadded.to_str(), eos_token=self._eos_token_ids)


class GrammarMask:
    """The mask of one answer. An error is stored, not raised, so that the other sequences of the batch continue."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher
        self._started = False
        self.error: JobFailed | None = None

    def apply(self, last_token: int, logits: mx.array) -> mx.array:
        """Return logits (1, vocabulary) with -inf for every token that breaks the schema after `last_token`."""
        if self._started:  # the last token of the first call belongs to the prompt
            self._matcher.consume_token(last_token)
        self._started = True
        if self._matcher.is_error():
            self.error = JobFailed(
                f"The answer could not be kept to its JSON schema: {self._matcher.get_error()}. "
                "Simplify the schema, or ask for JSON without one."
            )
            return logits
        return mx.where(self._allowed_tokens(logits.shape[-1]), logits, -mx.inf)

    def _allowed_tokens(self, logit_count: int) -> mx.array:
        """Return booleans (1, logit_count)."""
        allowed = np.frombuffer(self._matcher.compute_logit_bias(), np.uint8)[:logit_count] > 0
        # Models often have more logits than their tokenizer has entries: the rest is not allowed.
        return mx.array(np.pad(allowed, (0, logit_count - allowed.size)))[None]
