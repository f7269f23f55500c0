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

from model_runtime.engines.chat.grammar import GrammarCompiler
from model_runtime.engines.chat.grouped_attention import install_grouped_attention
from model_runtime.engines.chat.sampling import TokenSampler, make_sampler
from model_runtime.engines.chat.sequence import FinishReason, Prompt, SequenceState
from model_runtime.engines.checkpoint import describe_error
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import EngineOutput, LoadReporter
from model_runtime.errors import InvalidInput, JobFailed, SensesError
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import DEFAULT_MAX_TOKENS, Chat, Request

logger = logging.getLogger(__name__)

JobOutputs = list[tuple[int, EngineOutput]]
"""What happened to which job, in order."""

BUFFER_CACHE_BYTES = 512_000_000
"""MLX would keep freed buffers up to nearly all memory; this many are enough to reuse."""
MAX_SEQUENCES = 32


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """The next token of a sequence; see `SequenceState.append_token` for `finish_reason`."""

    uid: int
    token_id: int
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class InsertResult:
    """Where a prompt went: its row, and how many of its first tokens need not be read, as they are known."""

    uid: int
    cached_tokens: int = 0


class GenerationBatch(Protocol):
    """What computes the tokens of many rows at once."""

    max_sequences: int
    """How many answers it writes at once."""
    prefill_chunk_tokens: int
    """Prompt tokens that one `next` reads at most."""
    supports_batched_prefill: bool
    """Whether prompts of different lengths may be read at once."""

    def insert(self, prompt: Prompt, max_tokens: int, sampler: TokenSampler) -> InsertResult:
        """Add a row."""
        ...

    def next(self) -> list[GeneratedToken]:
        """Write one token of every answer, and read a chunk of a prompt where one waits."""
        ...

    def remove(self, uid: int) -> None:
        """Drop a row."""
        ...

    def close(self) -> None:
        """Give back what it holds beyond the model."""
        ...


class ChatModel(Protocol):
    """A loaded model that chats."""

    tokenizer: Tokenizer
    eos_token_ids: tuple[int, ...]
    context_tokens: int
    weights_bytes: int

    def build_prompt(self, chat: Chat) -> Prompt:
        """Turn a chat into what the model reads; raises `InvalidInput` where that is impossible."""
        ...

    def open_batch(self) -> GenerationBatch:
        """Start a batch."""
        ...


class ChatEngine:
    """A `StepEngine` for whatever model `load_model` loads."""

    def __init__(self, load_model: Callable[[LoadSpec, LoadReporter], ChatModel]) -> None:
        self._load_model = load_model
        self._model: ChatModel
        self._grammar_compiler: GrammarCompiler
        self._model_name = ""
        self._batch: GenerationBatch | None = None
        self._waiting: deque[SequenceState] = deque()
        self._running: dict[int, SequenceState] = {}

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights on this thread, which must be the one that steps, too.

        Raises:
            LoadFailed: the checkpoint is broken, of another family, or wants code of its own to run.
        """
        mx.set_cache_limit(BUFFER_CACHE_BYTES)
        install_grouped_attention()
        report("weights", None)
        self._model = self._load_model(spec, report)
        self._model_name = spec.model
        self._grammar_compiler = GrammarCompiler(self._model.tokenizer, self._model.eos_token_ids)
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
            raise InvalidInput(f"{self._model_name} answers chats, not {type(request).__name__}.", param="model")
        prompt = self._build_prompt(request)
        chat = replace(request, max_tokens=self._resolve_max_tokens(len(prompt.token_ids), request.max_tokens))
        grammar_mask = self._grammar_compiler.compile(request.json_schema) if request.json_schema else None
        token_sampler = TokenSampler(make_sampler(request.temperature, request.top_p, request.seed), grammar_mask)
        self._waiting.append(SequenceState(job, chat, prompt, token_sampler, self._model.tokenizer))

    def step(self) -> JobOutputs:
        """Read a chunk of one prompt and write one token of every answer.

        A fault after which the process cannot go on is raised as it is.
        """
        outputs = self._admit()
        return outputs + self._generate() if self._running else outputs

    def cancel(self, job: int) -> None:
        """Forget a job; unknown ones are none of our business."""
        self._waiting = deque(sequence for sequence in self._waiting if sequence.job != job)
        for uid in [uid for uid, sequence in self._running.items() if sequence.job == job]:
            self._remove(uid)

    def idle(self) -> None:
        """Close the batch, which on a Mac unwires the memory it wired, and give freed buffers back."""
        self._close_batch()
        mx.clear_cache()

    def _build_prompt(self, chat: Chat) -> Prompt:
        try:
            return self._model.build_prompt(chat)
        except SensesError:
            raise
        except TemplateError as error:
            raise InvalidInput(
                f"{self._model_name} cannot read these messages: {describe_error(error)}. Change their roles or order.",
                param="messages",
            ) from error
        except Exception as error:
            raise JobFailed(
                f"{self._model_name} could not read the messages: {describe_error(error)}. Change them, or try another model."
            ) from error

    def _resolve_max_tokens(self, prompt_tokens: int, max_tokens: int) -> int:
        """How long the answer to a prompt of so many tokens may become: what was asked for, or what fits."""
        available_tokens = self._model.context_tokens - prompt_tokens
        if 1 <= available_tokens >= max_tokens:
            return max_tokens or min(available_tokens, DEFAULT_MAX_TOKENS)
        requested = f"and max_tokens asks for {max_tokens} more" if max_tokens else "and an answer needs at least one"
        raise InvalidInput(
            f"The messages take {prompt_tokens} tokens {requested}, but {self._model_name} has room for {self._model.context_tokens}. "
            f"Shorten the messages, send fewer or smaller pictures{', or lower max_tokens' if max_tokens else ''}.",
            param="messages",
            code="context_length_exceeded",
        )

    def _admit(self) -> JobOutputs:
        """Move the next jobs into the batch, where there is room and no prompt is being read."""
        if not self._waiting or any(sequence.is_prefilling for sequence in self._running.values()):
            return []
        if self._batch is None:
            self._batch = self._model.open_batch()
        outputs: JobOutputs = []
        for sequence in self._next_sequences(self._batch):
            outputs += self._insert(self._batch, sequence)
        return outputs

    def _next_sequences(self, batch: GenerationBatch) -> list[SequenceState]:
        """Take the first that waits, and with it those after it as long as all are read within one chunk."""
        sequences: list[SequenceState] = []
        longest_prompt = 0
        while self._waiting and len(self._running) + len(sequences) < batch.max_sequences:
            longest_prompt = max(longest_prompt, len(self._waiting[0].prompt.token_ids))
            if sequences and not (
                batch.supports_batched_prefill and (len(sequences) + 1) * longest_prompt <= batch.prefill_chunk_tokens
            ):
                break
            sequences.append(self._waiting.popleft())
        return sequences

    def _insert(self, batch: GenerationBatch, sequence: SequenceState) -> JobOutputs:
        try:
            inserted = batch.insert(sequence.prompt, sequence.chat.max_tokens, sequence.sampler)
            sequence.release_processor_inputs()
        except Exception as error:
            if is_fatal(error):
                raise
            logger.exception("%s could not take in job %s", self._model_name, sequence.job)
            return [(sequence.job, self._to_job_error(error))]
        self._running[inserted.uid] = sequence
        return [
            (sequence.job, output)
            for output in sequence.start_prefill(inserted.cached_tokens, batch.prefill_chunk_tokens)
        ]

    def _generate(self) -> JobOutputs:
        batch = self._batch
        if batch is None:
            return []
        try:
            tokens = batch.next()
        except Exception as error:
            if is_fatal(error):
                raise
            logger.exception("%s broke while answering", self._model_name)
            return self._fail_all(self._to_job_error(error))
        prefilling = [sequence for sequence in self._running.values() if sequence.is_prefilling]
        outputs: JobOutputs = [
            (sequence.job, progress) for sequence in prefilling for progress in sequence.advance_prefill()
        ]
        for token in tokens:
            outputs += self._process_token(token)
        return outputs

    def _process_token(self, token: GeneratedToken) -> JobOutputs:
        sequence = self._running[token.uid]
        grammar_error = sequence.sampler.grammar_mask.error if sequence.sampler.grammar_mask else None
        outputs: list[EngineOutput] = (
            [grammar_error] if grammar_error else sequence.append_token(token.token_id, token.finish_reason)
        )
        if token.finish_reason:
            del self._running[token.uid]
        elif grammar_error or sequence.result:
            self._remove(token.uid)
        return [(sequence.job, output) for output in outputs]

    def _remove(self, uid: int) -> None:
        del self._running[uid]
        if self._batch is not None:
            self._batch.remove(uid)

    def _fail_all(self, error: JobFailed) -> JobOutputs:
        """End every job of the batch and start the next one afresh; what waits is not concerned."""
        outputs: JobOutputs = [(sequence.job, error) for sequence in self._running.values()]
        self._running.clear()
        self._close_batch()
        return outputs

    def _close_batch(self) -> None:
        if self._batch is not None:
            self._batch.close()
            self._batch = None

    def _to_job_error(self, error: Exception) -> JobFailed:
        return JobFailed(f"{self._model_name} failed while answering: {describe_error(error)}. Try again.")
