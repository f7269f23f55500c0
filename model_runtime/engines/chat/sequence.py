"""One answer in the making: tokens in, text and its end out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.chat.stop_sequences import StopSequenceMatcher
from model_runtime.engines.protocol import EngineOutput
from model_runtime.events import ChatResult, Progress, TextDelta
from model_runtime.requests import Chat

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat as its model reads it: token ids, and what embedding the pictures among them takes."""

    token_ids: list[int]
    processor_inputs: Mapping[str, Any] = field(default_factory=dict)
    processed_sizes: tuple[tuple[int, int], ...] = ()
    """See `Answer.seen`."""


class SequenceState:
    """The state of one job, from its prompt to its answer."""

    def __init__(self, job: int, chat: Chat, prompt: Prompt, sampler: TokenSampler, tokenizer: Tokenizer) -> None:
        self.job = job
        self.chat = chat
        self.prompt = prompt
        self.sampler = sampler
        self.result: ChatResult | None = None
        self._tokenizer = tokenizer
        self._decode_stream = DecodeStream(skip_special_tokens=True)
        self._stop_matcher = StopSequenceMatcher(chat.stop)
        self._visible_text: list[str] = []
        self._generated_tokens = 0
        self._cached_tokens = 0
        self._prefilled_tokens = 0
        self._prefill_chunk_tokens = 0
        self._reports_progress = False

    @property
    def is_prefilling(self) -> bool:
        """Whether the first token is still to come."""
        return self._generated_tokens == 0 and self.result is None

    def release_processor_inputs(self) -> None:
        """Let go of what only embedding took: the patches of a screenshot are tens of megabytes."""
        self.prompt = replace(self.prompt, processor_inputs={})

    def start_prefill(self, cached_tokens: int, chunk_tokens: int) -> list[EngineOutput]:
        """The prompt is about to be read a chunk at a time, from after its first tokens where those are known.

        Its progress is only told where there is more to read than one chunk: else the answer begins at once.
        """
        self._cached_tokens = self._prefilled_tokens = cached_tokens
        self._prefill_chunk_tokens = chunk_tokens
        self._reports_progress = len(self.prompt.token_ids) - cached_tokens > chunk_tokens
        return self._progress_outputs()

    def advance_prefill(self) -> list[EngineOutput]:
        """Note that the model has read another chunk of the prompt."""
        before, self._prefilled_tokens = (
            self._prefilled_tokens,
            min(self._prefilled_tokens + self._prefill_chunk_tokens, len(self.prompt.token_ids)),
        )
        return self._progress_outputs() if self._prefilled_tokens > before else []

    def _progress_outputs(self) -> list[EngineOutput]:
        return (
            [Progress("prompt tokens", self._prefilled_tokens, len(self.prompt.token_ids))]
            if self._reports_progress
            else []
        )

    def append_token(self, token_id: int, finish_reason: FinishReason | None) -> list[EngineOutput]:
        """Take in the next token; `finish_reason` "stop" means it is the end itself, "length" that it is the last one."""
        text = ""
        if finish_reason != "stop":
            self._generated_tokens += 1
            text = self._stop_matcher.push(self._decode_stream.step(self._tokenizer, token_id) or "")
        if self._stop_matcher.matched:
            finish_reason = "stop"
        elif finish_reason:
            text += self._stop_matcher.flush()
        outputs: list[EngineOutput] = [TextDelta(text)] if text else []
        self._visible_text.append(text)
        if finish_reason:
            prompt = self.prompt
            text = "".join(self._visible_text)
            self.result = ChatResult(
                text,
                finish_reason,
                len(prompt.token_ids),
                self._generated_tokens,
                prompt.processed_sizes,
                cached_tokens=self._cached_tokens,
            )
            outputs.append(self.result)
        return outputs
