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

from model_runtime.engines.chat.json_closing import ClosingRanks, JsonCloser, closing_ranks
from model_runtime.engines.chat.shortest_json import shortest_bytes
from model_runtime.errors import InvalidInput, JobFailed

ANY_OBJECT_SCHEMA = '{"type": "object"}'
JSON_FORMAT = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""llguidance's format options: one line, spaced like most JSON. With flexible whitespace a small model writes line
breaks until its tokens run out."""

CLOSED_EARLY = (
    "The answer came near its limit of tokens or became very long: a text, list or number that the schema leaves open "
    "may have ended early. Raise the limit, or bound these in the schema."
)
"""A warning."""


class GrammarCompiler:
    """Compile JSON schemas and other grammars for one model. The vocabulary is prepared once, with the first schema."""

    def __init__(self, tokenizer: Tokenizer, eos_token_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos_token_ids = list(eos_token_ids)

    def compile(self, schema: str, max_tokens: int) -> "GrammarMask":
        """Return a new mask for an answer of at most `max_tokens` to a JSON schema; "{}" means any JSON object.

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
        return GrammarMask(matcher, self._vocabulary, JsonCloser(max_tokens, shortest_bytes(json.loads(schema))))

    def compile_tool_calls(self, grammar: str, closer: JsonCloser | None = None) -> "GrammarMask":
        """Return a new mask for a grammar of `tool_grammar`, with a closer if its calls are JSON and nothing else.

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
        return GrammarMask(matcher, self._vocabulary, closer)

    @cached_property
    def _vocabulary(self) -> "JsonVocabulary":
        return JsonVocabulary(self._grammar_tokenizer, self._eos_token_ids)

    @cached_property
    def _grammar_tokenizer(self) -> LLTokenizer:
        unpadded = Tokenizer.from_str(self._tokenizer.to_str())
        unpadded.no_padding()
        unpadded.no_truncation()
        return LLTokenizer(unpadded.to_str(), eos_token=self._eos_token_ids)


class JsonVocabulary:
    """The tokens of one model as bytes. How soon each one ends a JSON text is worked out when an answer needs it."""

    def __init__(self, tokenizer: LLTokenizer, eos_token_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos_token_ids = eos_token_ids

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token."""
        return self._tokenizer.decode_bytes([token_id])

    @cached_property
    def ranks(self) -> ClosingRanks:
        """How soon each token ends a JSON text."""
        return closing_ranks(list(map(self.token_bytes, range(self._tokenizer.vocab_size))), self._eos_token_ids)


class GrammarMask:
    """The mask of one answer. An error is stored, not raised, so that the other sequences of the batch continue.

    With a `closer` the answer is JSON, and ends before its tokens run out.
    """

    def __init__(self, matcher: LLMatcher, vocabulary: JsonVocabulary, closer: JsonCloser | None) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._closer = closer
        self._started = False
        self.error: JobFailed | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the answer must tell."""
        return (CLOSED_EARLY,) if self._closer and self._closer.has_closed else ()

    def apply(self, last_token: int, logits: mx.array) -> mx.array:
        """Return logits (1, vocabulary) with -inf for every token that breaks the schema after `last_token`."""
        if self._started:  # the last token of the first call belongs to the prompt
            self._matcher.consume_token(last_token)
            if self._closer:
                self._closer.advance(self._vocabulary.token_bytes(last_token))
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
        if self._closer and self._closer.is_closing:
            allowed = self._closer.restrict(allowed, self._vocabulary.ranks)
        # Models often have more logits than their tokenizer has entries: the rest is not allowed.
        return mx.array(np.pad(allowed, (0, logit_count - allowed.size)))[None]
