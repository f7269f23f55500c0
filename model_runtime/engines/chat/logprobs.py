"""Log-probabilities of the tokens of an answer, as the model gives them: before temperature, penalties and grammar."""

from collections import deque
from dataclasses import dataclass
from typing import cast

import mlx.core as mx
from tokenizers import Tokenizer

from model_runtime.events import TokenLogprob


class LogprobRecorder:
    """Keeps the distribution of each step until its token is known, and tells the `top_count` likeliest tokens."""

    def __init__(self, top_count: int, tokenizer: Tokenizer) -> None:
        self._top_count = top_count
        self._tokenizer = tokenizer
        self._steps: deque[mx.array] = deque()

    def record(self, logits: mx.array) -> None:
        """Record the logits (1, vocabulary) of the next token; they need not be evaluated."""
        row = logits[0].astype(mx.float32)
        self._steps.append(row - mx.logsumexp(row))

    def take(self, token_id: int) -> TokenLogprob:
        """Return the log-probability of the token that the oldest step chose, with the likeliest tokens."""
        row = self._steps.popleft()
        count = min(self._top_count, row.shape[0])
        ids = cast(list[int], mx.argsort(-row)[:count].tolist())
        values = cast(list[float], row[mx.array([token_id, *ids])].tolist())
        chosen, *top = [self._describe(*pair) for pair in zip([token_id, *ids], values, strict=True)]
        return TokenLogprob(chosen.token, chosen.logprob, tuple(top))

    def _describe(self, token_id: int, logprob: float) -> TokenLogprob:
        return TokenLogprob(self._tokenizer.decode([token_id], skip_special_tokens=False), logprob)


@dataclass(frozen=True, slots=True)
class _PendingLogprob:
    """A log-probability, and where the text of its token begins in the answer."""

    start: int
    logprob: TokenLogprob


class LogprobTrack:
    """Releases log-probabilities with the text of their tokens: what a stop sequence cuts off has none."""

    def __init__(self) -> None:
        self._pending: deque[_PendingLogprob] = deque()
        self._decoded_characters = 0
        self._visible_characters = 0

    def add(self, logprob: TokenLogprob, decoded_characters: int) -> None:
        """Add the log-probability of a token that was decoded to so many characters."""
        self._pending.append(_PendingLogprob(self._decoded_characters, logprob))
        self._decoded_characters += decoded_characters

    def release_all(self) -> tuple[TokenLogprob, ...]:
        """Return the rest, at the end of an answer that no stop sequence ended."""
        released = tuple(pending.logprob for pending in self._pending)
        self._pending.clear()
        return released

    def release(self, visible_characters: int) -> tuple[TokenLogprob, ...]:
        """Return those of the tokens that begin within the next visible characters."""
        self._visible_characters += visible_characters
        released = []
        while self._pending and self._pending[0].start < self._visible_characters:
            released.append(self._pending.popleft().logprob)
        return tuple(released)
