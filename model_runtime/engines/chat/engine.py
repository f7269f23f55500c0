"""Continuous batching of chats on one model, independent of the library that computes the tokens.

All sequences decode together; short prompts are prefilled together if the batch supports it. An invalid prompt or
schema ends only its own job; an error of the batch ends the jobs in it, not those that wait.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import mlx.core as mx
from jinja2 import TemplateError
from tokenizers import Tokenizer

from model_runtime.engines.chat.answer_format import AnswerFormat
from model_runtime.engines.chat.answer_plan import plan_answer, with_usable_tools
from model_runtime.engines.chat.grammar import GrammarCompiler
from model_runtime.engines.chat.grouped_attention import install_grouped_attention
from model_runtime.engines.chat.logprobs import LogprobRecorder
from model_runtime.engines.chat.penalties import make_penalties
from model_runtime.engines.chat.sampling import TokenSampler, make_sampler
from model_runtime.engines.chat.sequence import FinishReason, Prompt, SequenceState
from model_runtime.engines.checkpoint import describe_error
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import EngineOutput, LoadReporter
from model_runtime.errors import ContextExceeded, InvalidInput, JobFailed, SensesError
from model_runtime.events import ChatResult
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Chat, Request

logger = logging.getLogger(__name__)

JobOutputs = list[tuple[int, EngineOutput]]
"""(job, output) pairs, in order."""

MAX_SEQUENCES = 32
"""Sequences in one batch."""


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """The next token of a sequence; see `SequenceState.append_token` for `finish_reason`."""

    uid: int
    token_id: int
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class InsertResult:
    """The id of an inserted sequence, and how many of its first prompt tokens are in the prefix cache."""

    uid: int
    cached_tokens: int = 0


class GenerationBatch(Protocol):
    """A batch that computes the tokens of many sequences at once."""

    max_sequences: int
    """Sequences that it decodes at once."""
    prefill_chunk_tokens: int
    """Prompt tokens of a sequence that one `next` prefills at most."""
    supports_batched_prefill: bool
    """Whether it prefills prompts of different lengths together."""

    def insert(self, prompt: Prompt, max_tokens: int, sampler: TokenSampler) -> InsertResult:
        """Add a sequence."""
        ...

    def next(self) -> list[GeneratedToken]:
        """Prefill one chunk of a waiting prompt, and return one token of every decoding sequence."""
        ...

    def remove(self, uid: int) -> None:
        """Remove a sequence."""
        ...

    def close(self) -> None:
        """Release everything that it holds beyond the model."""
        ...


class ChatModel(Protocol):
    """A loaded chat model."""

    tokenizer: Tokenizer
    eos_token_ids: tuple[int, ...]
    context_tokens: int
    weights_bytes: int
    answer_format: AnswerFormat

    def build_prompt(self, chat: Chat) -> Prompt:
        """Return the chat as the model's input.

        Raises:
            InvalidInput: the model cannot read these messages.
        """
        ...

    def open_batch(self) -> GenerationBatch:
        """Return a new, empty batch."""
        ...


class ChatEngine:
    """A `StepEngine` for the chat model that `load_model` returns."""

    def __init__(self, load_model: Callable[[LoadSpec, LoadReporter], ChatModel]) -> None:
        self._load_model = load_model
        self._model: ChatModel
        self._grammar_compiler: GrammarCompiler
        self._model_name = ""
        self._batch: GenerationBatch | None = None
        self._counted: JobOutputs = []
        self._waiting: deque[SequenceState] = deque()
        self._running: dict[int, SequenceState] = {}

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights. MLX binds them to this thread, so the same thread must call `step`.

        Raises:
            LoadFailed: the checkpoint is broken, of an unsupported family, or asks for its own code to be run.
        """
        install_grouped_attention()
        report_progress("weights", None)
        self._model = self._load_model(spec, report_progress)
        self._model_name = spec.model
        self._grammar_compiler = GrammarCompiler(self._model.tokenizer, self._model.eos_token_ids)
        report_progress("ready", 1.0)
        return LoadedModel(
            weights_bytes=self._model.weights_bytes,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
            context_tokens=self._model.context_tokens,
        )

    def submit(self, job: int, request: Request) -> None:
        """Add a chat.

        Raises:
            ContextExceeded: its messages do not fit into the context.
            InvalidInput: the request is not a chat or does not work with the model's template, or
                its schema, that of a tool or a biased token is invalid.
            JobFailed: its pictures or text cannot be preprocessed.
        """
        if not isinstance(request, Chat):
            raise InvalidInput(f"{self._model_name} only supports chat, not {type(request).__name__}.", param="model")
        request = with_usable_tools(request, self._model.answer_format)
        prompt = self._build_prompt(request)
        if request.counts_only:
            self._counted.append((job, ChatResult("", "stop", len(prompt.token_ids), 0, prompt.processed_sizes)))
            return
        chat, warnings = self._limit_answer(len(prompt.token_ids), request)
        tokenizer = self._model.tokenizer
        plan = plan_answer(chat, prompt.token_ids, self._model.answer_format, tokenizer, self._grammar_compiler)
        penalties = make_penalties(request, prompt.token_ids, tokenizer.get_vocab_size())
        logprobs = None if chat.top_logprobs is None else LogprobRecorder(chat.top_logprobs, tokenizer)
        sampler = TokenSampler(make_sampler(request), plan.grammar_mask, penalties, logprobs)
        self._waiting.append(SequenceState(job, chat, prompt, sampler, tokenizer, warnings, plan))

    def step(self) -> JobOutputs:
        """Prefill one chunk of a prompt, decode one token of every sequence, and return the outputs.

        Raises:
            Exception: a fatal error (see `fatal_errors.is_fatal`), unchanged.
        """
        counted, self._counted = self._counted, []
        outputs = counted + self._admit()
        return outputs + self._generate() if self._running else outputs

    def cancel(self, job: int) -> None:
        """Cancel a job. Unknown ids are ignored."""
        self._counted = [output for output in self._counted if output[0] != job]
        self._waiting = deque(sequence for sequence in self._waiting if sequence.job != job)
        for uid in [uid for uid, sequence in self._running.items() if sequence.job == job]:
            self._remove(uid)

    def idle(self) -> None:
        """Close the batch, which unwires its memory on a Mac, and release MLX's freed buffers."""
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
            if is_fatal(error):
                raise
            raise JobFailed(
                f"{self._model_name} could not read the messages: {describe_error(error)}. "
                "Change them, or try another model."
            ) from error

    def _limit_answer(self, prompt_tokens: int, chat: Chat) -> tuple[Chat, tuple[str, ...]]:
        """Return the chat with an answer that fits into the context, and a warning if it asks for a longer one.

        Raises:
            ContextExceeded: the prompt leaves no room for an answer.
        """
        context_tokens = min(self._model.context_tokens, chat.context_tokens or self._model.context_tokens)
        available_tokens = context_tokens - prompt_tokens
        if available_tokens < 1:
            raise ContextExceeded(
                context_tokens,
                f"resulted in {prompt_tokens} tokens, and an answer needs one more",
                prompt_tokens=prompt_tokens,
            )
        limited = replace(chat, max_tokens=min(chat.max_tokens or available_tokens, available_tokens))
        if chat.max_tokens <= available_tokens:
            return limited, ()
        warning = (
            f"max_tokens {chat.max_tokens} is more than fits: the context of {self._model_name} is {context_tokens} "
            f"tokens, of which the messages take {prompt_tokens}. The answer ends after {available_tokens} at the latest."
        )
        return limited, (warning,)

    def _admit(self) -> JobOutputs:
        """Move waiting sequences into the batch, unless a prefill is running."""
        if not self._waiting or any(sequence.is_prefilling for sequence in self._running.values()):
            return []
        if self._batch is None:
            self._batch = self._model.open_batch()
        outputs: JobOutputs = []
        for sequence in self._next_sequences(self._batch):
            outputs += self._insert(self._batch, sequence)
        return outputs

    def _next_sequences(self, batch: GenerationBatch) -> list[SequenceState]:
        """Take the first waiting sequence, and those after it that prefill together with it in one chunk."""
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
            logger.exception("%s could not start job %s", self._model_name, sequence.job)
            return [(sequence.job, self._to_job_error(error))]
        self._running[inserted.uid] = sequence
        outputs = sequence.start_prefill(inserted.cached_tokens, batch.prefill_chunk_tokens)
        return [(sequence.job, output) for output in outputs]

    def _generate(self) -> JobOutputs:
        batch = self._batch
        if batch is None:
            return []
        try:
            tokens = batch.next()
        except Exception as error:
            if is_fatal(error):
                raise
            logger.exception("%s failed while answering", self._model_name)
            return self._fail_all(self._to_job_error(error))
        outputs: JobOutputs = []
        for sequence in self._running.values():
            if sequence.is_prefilling:
                outputs += [(sequence.job, progress) for progress in sequence.advance_prefill()]
        for token in tokens:
            outputs += self._process_token(token)
        return outputs

    def _process_token(self, token: GeneratedToken) -> JobOutputs:
        sequence = self._running[token.uid]
        grammar_mask = sequence.sampler.grammar_mask
        grammar_error = grammar_mask.error if grammar_mask else None
        outputs: list[EngineOutput] = (
            [grammar_error] if grammar_error else sequence.append_token(token.token_id, token.finish_reason)
        )
        if token.finish_reason:  # the batch has removed the sequence itself
            del self._running[token.uid]
        elif grammar_error or sequence.result:
            self._remove(token.uid)
        return [(sequence.job, output) for output in outputs]

    def _remove(self, uid: int) -> None:
        del self._running[uid]
        if self._batch is not None:
            self._batch.remove(uid)

    def _fail_all(self, error: JobFailed) -> JobOutputs:
        """End every job of the batch and close it. Waiting jobs are not affected."""
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
