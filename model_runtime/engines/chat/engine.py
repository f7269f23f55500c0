"""Many chats on one model at once: continuous batching, whichever batch computes the tokens.

Answers are written together, and short prompts read together where the batch can. A job that cannot be read, a schema
that cannot be kept, a batch that breaks: each ends the jobs it concerns and no other.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import mlx.core as mx
from jinja2 import TemplateError
from tokenizers import Tokenizer

from model_runtime.engines.chat.grammar import Grammars
from model_runtime.engines.chat.grouped_attention import group_queries
from model_runtime.engines.chat.sampling import Choice, sampler
from model_runtime.engines.chat.sequence import FinishReason, Prompt, Row
from model_runtime.engines.checkpoint import reason
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import Outcome, Report
from model_runtime.errors import InvalidInput, JobFailed, SensesError
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import UNASKED_TOKENS, Chat, Request

logger = logging.getLogger(__name__)

Outcomes = list[tuple[int, Outcome]]
"""What happened to which job, in order."""

BUFFER_CACHE_BYTES = 512_000_000
"""MLX would keep freed buffers up to nearly all memory; this many are enough to reuse."""
MAX_ROWS = 32


@dataclass(frozen=True, slots=True)
class Token:
    """The next token of a row; see `Row.take` for `finish`."""

    row: int
    token: int
    finish: FinishReason | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a prompt went: its row, and how many of its first tokens need not be read, as they are known."""

    row: int
    known_tokens: int = 0


class Batch(Protocol):
    """What computes the tokens of many rows at once."""

    max_rows: int
    """How many answers it writes at once."""
    chunk_tokens: int
    """Prompt tokens that one `next` reads at most."""
    reads_together: bool
    """Whether prompts of different lengths may be read at once."""

    def insert(self, prompt: Prompt, max_tokens: int, choice: Choice) -> Place:
        """Add a row."""
        ...

    def next(self) -> list[Token]:
        """Write one token of every answer, and read a chunk of a prompt where one waits."""
        ...

    def remove(self, row: int) -> None:
        """Drop a row."""
        ...

    def close(self) -> None:
        """Give back what it holds beyond the model."""
        ...


class ChatModel(Protocol):
    """A loaded model that chats."""

    tokenizer: Tokenizer
    end_tokens: tuple[int, ...]
    context_tokens: int
    weights_bytes: int

    def prepare(self, chat: Chat) -> Prompt:
        """Turn a chat into what the model reads; raises `InvalidInput` where that is impossible."""
        ...

    def open_batch(self) -> Batch:
        """Start a batch."""
        ...


class ChatEngine:
    """A `StepEngine` for whatever model `open_model` loads."""

    def __init__(self, open_model: Callable[[LoadSpec, Report], ChatModel]) -> None:
        self._open_model = open_model
        self._model: ChatModel
        self._grammars: Grammars
        self._name = ""
        self._batch: Batch | None = None
        self._waiting: deque[Row] = deque()
        self._rows: dict[int, Row] = {}

    def load(self, spec: LoadSpec, report: Report) -> LoadedModel:
        """Load and evaluate all weights on this thread, which must be the one that steps, too.

        Raises:
            LoadFailed: the checkpoint is broken, of another family, or wants code of its own to run.
        """
        mx.set_cache_limit(BUFFER_CACHE_BYTES)
        group_queries()
        report("weights", None)
        self._model = self._open_model(spec, report)
        self._name = spec.model
        self._grammars = Grammars(self._model.tokenizer, self._model.end_tokens)
        report("ready", 1.0)
        return LoadedModel(
            weights_bytes=self._model.weights_bytes,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
            context_tokens=self._model.context_tokens,
        )

    def submit(self, job: int, request: Request) -> None:
        """Take in a chat.

        Raises:
            InvalidInput: it is no chat, does not fit the context, or its template or schema does not work.
            JobFailed: its pictures or text could not be prepared.
        """
        if not isinstance(request, Chat):
            raise InvalidInput(f"{self._name} answers chats, not {type(request).__name__}.", param="model")
        prompt = self._prepare(request)
        chat = replace(request, max_tokens=self._answer_tokens(len(prompt.tokens), request.max_tokens))
        mask = self._grammars.mask(request.json_schema) if request.json_schema else None
        choice = Choice(sampler(request.temperature, request.top_p, request.seed), mask)
        self._waiting.append(Row(job, chat, prompt, choice, self._model.tokenizer))

    def step(self) -> Outcomes:
        """Read a chunk of one prompt and write one token of every answer.

        A fault after which the process cannot go on is raised as it is.
        """
        outcomes = self._admit()
        return outcomes + self._advance() if self._rows else outcomes

    def cancel(self, job: int) -> None:
        """Forget a job; unknown ones are none of our business."""
        self._waiting = deque(row for row in self._waiting if row.job != job)
        for number in [number for number, row in self._rows.items() if row.job == job]:
            self._drop(number)

    def idle(self) -> None:
        """Close the batch, which on a Mac unwires the memory it wired, and give freed buffers back."""
        self._close_batch()
        mx.clear_cache()

    def _prepare(self, chat: Chat) -> Prompt:
        try:
            return self._model.prepare(chat)
        except SensesError:
            raise
        except TemplateError as error:
            raise InvalidInput(
                f"{self._name} cannot read these messages: {reason(error)}. Change their roles or order.",
                param="messages",
            ) from error
        except Exception as error:
            raise JobFailed(
                f"{self._name} could not read the messages: {reason(error)}. Change them, or try another model."
            ) from error

    def _answer_tokens(self, tokens: int, max_tokens: int) -> int:
        """How long the answer to a prompt of so many tokens may become: what was asked for, or what fits."""
        room = self._model.context_tokens - tokens
        if 1 <= room >= max_tokens:
            return max_tokens or min(room, UNASKED_TOKENS)
        wanted = f"and max_tokens asks for {max_tokens} more" if max_tokens else "and an answer needs at least one"
        raise InvalidInput(
            f"The messages take {tokens} tokens {wanted}, but {self._name} has room for {self._model.context_tokens}. "
            f"Shorten the messages, send fewer or smaller pictures{', or lower max_tokens' if max_tokens else ''}.",
            param="messages",
            code="context_length_exceeded",
        )

    def _admit(self) -> Outcomes:
        """Move the next jobs into the batch, where there is room and no prompt is being read."""
        if not self._waiting or any(row.reading for row in self._rows.values()):
            return []
        if self._batch is None:
            self._batch = self._model.open_batch()
        outcomes: Outcomes = []
        for row in self._next_rows(self._batch):
            outcomes += self._insert(self._batch, row)
        return outcomes

    def _next_rows(self, batch: Batch) -> list[Row]:
        """Take the first that waits, and with it those after it as long as all are read within one chunk."""
        rows: list[Row] = []
        longest = 0
        while self._waiting and len(self._rows) + len(rows) < batch.max_rows:
            longest = max(longest, len(self._waiting[0].prompt.tokens))
            if rows and not (batch.reads_together and (len(rows) + 1) * longest <= batch.chunk_tokens):
                break
            rows.append(self._waiting.popleft())
        return rows

    def _insert(self, batch: Batch, row: Row) -> Outcomes:
        try:
            place = batch.insert(row.prompt, row.chat.max_tokens, row.choice)
            row.release()
        except Exception as error:
            if is_fatal(error):
                raise
            logger.exception("%s could not take in job %s", self._name, row.job)
            return [(row.job, self._failure(error))]
        self._rows[place.row] = row
        return [(row.job, outcome) for outcome in row.begin(place.known_tokens, batch.chunk_tokens)]

    def _advance(self) -> Outcomes:
        batch = self._batch
        if batch is None:
            return []
        try:
            tokens = batch.next()
        except Exception as error:
            if is_fatal(error):
                raise
            logger.exception("%s broke while answering", self._name)
            return self._fail_all(self._failure(error))
        reading = [row for row in self._rows.values() if row.reading]
        outcomes: Outcomes = [(row.job, progress) for row in reading for progress in row.read_chunk()]
        for token in tokens:
            outcomes += self._take(token)
        return outcomes

    def _take(self, token: Token) -> Outcomes:
        row = self._rows[token.row]
        broken = row.choice.mask.error if row.choice.mask else None
        outcomes: list[Outcome] = [broken] if broken else row.take(token.token, token.finish)
        if token.finish:
            del self._rows[token.row]
        elif broken or row.answer:
            self._drop(token.row)
        return [(row.job, outcome) for outcome in outcomes]

    def _drop(self, number: int) -> None:
        del self._rows[number]
        if self._batch is not None:
            self._batch.remove(number)

    def _fail_all(self, failure: JobFailed) -> Outcomes:
        """End every job of the batch and start the next one afresh; what waits is not concerned."""
        outcomes: Outcomes = [(row.job, failure) for row in self._rows.values()]
        self._rows.clear()
        self._close_batch()
        return outcomes

    def _close_batch(self) -> None:
        if self._batch is not None:
            self._batch.close()
            self._batch = None

    def _failure(self, error: Exception) -> JobFailed:
        return JobFailed(f"{self._name} failed while answering: {reason(error)}. Try again.")
