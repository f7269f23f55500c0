"""The state of one sequence: its tokens become an answer, progress and a result."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from model_runtime.engines.chat.answer import Answer
from model_runtime.engines.chat.answer_plan import FREE_TEXT, AnswerPlan
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.protocol import EngineOutput
from model_runtime.events import ChatResult, Progress
from model_runtime.requests import Chat

FinishReason = Literal["stop", "length"]
SILENT_TOKENS = 32
"""Tokens without an output, such as those of a call that is passed on at its end, after which progress is told."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat as the model's input: token ids, and the preprocessed pictures that replace some of them."""

    token_ids: list[int]
    processor_inputs: Mapping[str, Any] = field(default_factory=dict)
    processed_sizes: tuple[tuple[int, int], ...] = ()
    """See `ChatResult.processed_sizes`."""


class SequenceState:
    """The state of one job from its prompt to its result."""

    def __init__(
        self,
        job: int,
        chat: Chat,
        prompt: Prompt,
        sampler: TokenSampler,
        tokenizer: Tokenizer,
        warnings: tuple[str, ...] = (),
        plan: AnswerPlan = FREE_TEXT,
    ) -> None:
        self.job = job
        self.chat = chat
        self.prompt = prompt
        self.sampler = sampler
        self.result: ChatResult | None = None
        self._tokenizer = tokenizer
        self._warnings = warnings + plan.warnings
        self._decode_stream = DecodeStream(skip_special_tokens=True)
        self._visible_tokens = plan.answer_format.visible_tokens
        self._answer = Answer(chat, plan)
        self._generated_tokens = 0
        self._reasoning_tokens = 0
        self._silent_tokens = 0
        self._cached_tokens = 0
        self._prefilled_tokens = 0
        self._prefill_chunk_tokens = 0
        self._reports_progress = False

    @property
    def is_prefilling(self) -> bool:
        """Whether no token has been generated yet."""
        return self._generated_tokens == 0 and self.result is None

    def release_processor_inputs(self) -> None:
        """Release the preprocessed pictures after embedding; those of a screenshot take tens of megabytes."""
        self.prompt = replace(self.prompt, processor_inputs={})

    def start_prefill(self, cached_tokens: int, chunk_tokens: int) -> list[EngineOutput]:
        """Start the prefill after the cached tokens and return its progress, if it takes more than one chunk."""
        self._cached_tokens = self._prefilled_tokens = cached_tokens
        self._prefill_chunk_tokens = chunk_tokens
        self._reports_progress = len(self.prompt.token_ids) - cached_tokens > chunk_tokens
        return self._progress_outputs()

    def advance_prefill(self) -> list[EngineOutput]:
        """Count one more prefilled chunk and return the progress."""
        prompt_tokens = len(self.prompt.token_ids)
        if self._prefilled_tokens == prompt_tokens:
            return []
        self._prefilled_tokens = min(self._prefilled_tokens + self._prefill_chunk_tokens, prompt_tokens)
        return self._progress_outputs()

    def _progress_outputs(self) -> list[EngineOutput]:
        if not self._reports_progress:
            return []
        return [Progress("prompt tokens", self._prefilled_tokens, len(self.prompt.token_ids))]

    def append_token(self, token_id: int, finish_reason: FinishReason | None) -> list[EngineOutput]:
        """Append a token and return what it adds, and the result if it is the last one.

        `finish_reason` "stop" means that the token is the end token, "length" that it reaches the length limit.
        """
        outputs: list[EngineOutput] = []
        if finish_reason != "stop":
            self._generated_tokens += 1
            self._reasoning_tokens += self._answer.is_reasoning
            logprob = self.sampler.logprobs.take(token_id) if self.sampler.logprobs else None
            outputs += self._answer.push(self._decode(token_id), logprob)
        if self._answer.is_complete:
            finish_reason = "stop"
        if finish_reason:
            outputs += self._answer.finish(is_cut_off=finish_reason == "length")
            self.result = self._create_result(finish_reason)
            return [*outputs, self.result]
        return outputs or self._silent_progress()

    def _decode(self, token_id: int) -> str:
        """Return the text of a token, without control tokens that are no marks; "" for a part of a character."""
        if token_id in self._visible_tokens:
            return self._visible_tokens[token_id]
        return self._decode_stream.step(self._tokenizer, token_id) or ""

    def _silent_progress(self) -> list[EngineOutput]:
        """Return progress now and then, so that nobody takes the sequence for a stuck one."""
        self._silent_tokens += 1
        if self._silent_tokens % SILENT_TOKENS:
            return []
        return [Progress("tokens", self._generated_tokens, self.chat.max_tokens)]

    def _create_result(self, finish_reason: FinishReason) -> ChatResult:
        answer = self._answer
        has_called = bool(answer.tool_calls) and finish_reason == "stop"
        return ChatResult(
            "".join(answer.texts),
            "tool_calls" if has_called else finish_reason,
            len(self.prompt.token_ids),
            self._generated_tokens,
            self.prompt.processed_sizes,
            (*self._warnings, *self.sampler.warnings, *answer.warnings),
            cached_tokens=self._cached_tokens,
            logprobs=tuple(answer.logprobs),
            tool_calls=answer.tool_calls,
            reasoning="".join(answer.reasoning),
            reasoning_tokens=self._reasoning_tokens,
            stop_sequence=answer.stop_sequence,
        )
