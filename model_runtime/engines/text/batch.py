"""Answers of a text model written together: one token of every row a step, each step begun before the last is told.

What the library's generator does and nobody needs is left out: log-probabilities, a step for rows that have all their
tokens, a pass over the weights for the last token of a short prompt, and a choice row by row where all choose alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import maybe_set_recommended_wired_limit

from model_runtime.engines.chat.engine import Place, Token
from model_runtime.engines.chat.sampling import Choice, choose, numbers
from model_runtime.engines.chat.sequence import FinishReason, Prompt
from model_runtime.engines.text.kv_cache import RowCaches
from model_runtime.engines.text.prefill import Reading
from model_runtime.engines.text.prefix_cache import Prefixes

CHUNK_TOKENS = 512


@dataclass(slots=True)
class _Line:
    """A row of the batch; `left` counts the tokens that are still to be told."""

    number: int
    prompt: list[int]
    left: int
    choice: Choice
    known: int
    """How many tokens of the prompt its caches hold from the start."""
    caches: list[Any]
    told: list[int] = field(default_factory=list)

    def hand_over(self) -> list[Any]:
        """Give its caches away: they must not be held twice."""
        caches, self.caches = self.caches, []
        return caches


class TextBatch:
    """A `Batch` for any model of mlx-lm; see `reading.whole_tokens`."""

    chunk_tokens = CHUNK_TOKENS
    reads_together = True

    def __init__(
        self, model: Any, end_tokens: Sequence[int], prefixes: Prefixes, *, max_rows: int, whole_tokens: int
    ) -> None:
        self.max_rows = max_rows
        self._model = model
        self._end_tokens = frozenset(end_tokens)
        self._prefixes = prefixes
        self._whole_tokens = whole_tokens
        self._numbers = count()
        self._coming: list[_Line] = []
        self._read: list[_Line] = []
        self._reading: Reading | None = None
        self._lines: list[_Line] = []
        self._caches: RowCaches | None = None
        self._chosen = mx.array([], mx.uint32)
        self._wired_before = maybe_set_recommended_wired_limit()

    def insert(self, prompt: Prompt, max_tokens: int, choice: Choice) -> Place:
        """Add a row."""
        known, caches = self._prefixes.recall(prompt.tokens)
        caches = caches or make_prompt_cache(self._model)
        line = _Line(next(self._numbers), prompt.tokens, max_tokens, choice, known, caches)
        self._coming.append(line)
        return Place(line.number, known)

    def next(self) -> list[Token]:
        """Read a chunk of a prompt where one waits, and write one token of every answer."""
        self._read_on()
        return self._write() if self._lines else []

    def remove(self, row: int) -> None:
        """Drop a row."""
        self._coming = [line for line in self._coming if line.number != row]
        if row in [line.number for line in self._read]:
            self._read, self._reading = [], None
        self._keep([index for index, line in enumerate(self._lines) if line.number != row])

    def close(self) -> None:
        """Unwire memory."""
        if self._wired_before is not None:
            mx.synchronize()
            mx.set_wired_limit(self._wired_before)

    def _read_on(self) -> None:
        """Several prompts are read within one call; the next ones wait for a long one."""
        if self._reading is None:
            if not self._coming:
                return
            self._read, self._coming = self._coming, []
            prompts = [line.prompt[line.known :] for line in self._read]
            caches = RowCaches.of([line.hand_over() for line in self._read])
            chunk, whole = CHUNK_TOKENS, self._whole_tokens
            self._reading = Reading(self._model, prompts, caches, chunk_tokens=chunk, whole_tokens=whole)
        logits = self._reading.read()
        if logits is not None:
            self._join(self._read, self._reading.caches, logits)
            self._read, self._reading = [], None

    def _join(self, lines: list[_Line], caches: RowCaches, logits: mx.array) -> None:
        """Begin the answers of prompts that are read."""
        first = self._choose(lines, logits, mx.array([line.prompt[-1] for line in lines]))
        if self._caches is None:
            self._lines, self._caches, self._chosen = lines, caches, first
        else:
            self._lines = [*self._lines, *lines]
            self._caches.join(caches)
            self._chosen = mx.concatenate([self._chosen, first])

    def _write(self) -> list[Token]:
        """Begin the next step of the rows that go on, then wait for the tokens that were chosen in the last."""
        lines, chosen = self._lines, self._chosen
        self._keep([row for row, line in enumerate(lines) if line.left > 1])
        if self._caches is not None:
            logits = self._model(self._chosen[:, None], cache=self._caches.layers)[:, -1]
            self._chosen = self._choose(self._lines, logits, self._chosen)
        tokens = [self._tell(line, token) for line, token in zip(lines, numbers(chosen), strict=True)]
        ended = {token.row for token in tokens if token.finish}
        self._keep([row for row, line in enumerate(self._lines) if line.number not in ended])
        return tokens

    def _tell(self, line: _Line, token: int) -> Token:
        line.left -= 1
        line.told.append(token)
        finish: FinishReason | None = "stop" if token in self._end_tokens else None if line.left else "length"
        return Token(line.number, token, finish)

    def _choose(self, lines: list[_Line], logits: mx.array, last: mx.array) -> mx.array:
        chosen = choose([line.choice for line in lines], logits, last)
        mx.async_eval(chosen)  # type: ignore[no-untyped-call]
        return chosen

    def _keep(self, rows: list[int]) -> None:
        """Let the other rows go; what they have read and written may be asked for again."""
        if self._caches is None or len(rows) == len(self._lines):
            return
        if self._prefixes.keeps_any:
            for row in sorted(set(range(len(self._lines))) - set(rows)):
                line = self._lines[row]
                self._prefixes.keep(line.prompt + line.told, self._caches.row(row))
        self._lines = [self._lines[row] for row in rows]
        if rows:
            self._caches.keep(rows)
            self._chosen = self._chosen[mx.array(rows)]
        else:
            self._caches = None
