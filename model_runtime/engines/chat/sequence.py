"""The state of one sequence: its tokens become text, progress and a result."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from model_runtime.engines.chat.logprobs import LogprobTrack
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.chat.stop_sequences import StopSequenceMatcher
from model_runtime.engines.protocol import EngineOutput
from model_runtime.events import ChatResult, Progress, TextDelta, TokenLogprob
from model_runtime.requests import Chat

FinishReason = Literal["stop", "length"]


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
    ) -> None:
        self.job = job
        self.chat = chat
        self.prompt = prompt
        self.sampler = sampler
        self.result: ChatResult | None = None
        self._tokenizer = tokenizer
        self._warnings = warnings
        self._decode_stream = DecodeStream(skip_special_tokens=True)
        self._stop_matcher = StopSequenceMatcher(chat.stop)
        self._visible_text: list[str] = []
        self._logprob_track = LogprobTrack()
        self._logprobs: list[TokenLogprob] = []
        self._generated_tokens = 0
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
        """Append a token and return its text, and the result if it is the last one.

        `finish_reason` "stop" means that the token is the end token, "length" that it reaches the length limit.
        """
        text = ""
        if finish_reason != "stop":
            self._generated_tokens += 1
            decoded = self._decode_stream.step(self._tokenizer, token_id) or ""
            if self.sampler.logprobs:
                self._logprob_track.add(self.sampler.logprobs.take(token_id), len(decoded))
            text = self._stop_matcher.push(decoded)
        if self._stop_matcher.matched:
            finish_reason = "stop"
        elif finish_reason:
            text += self._stop_matcher.flush()
        logprobs = self._logprob_track.release(len(text))
        if finish_reason and not self._stop_matcher.matched:
            logprobs += self._logprob_track.release_all()
        outputs: list[EngineOutput] = [TextDelta(text, logprobs)] if text or logprobs else []
        self._visible_text.append(text)
        self._logprobs += logprobs
        if finish_reason:
            self.result = self._create_result(finish_reason)
            outputs.append(self.result)
        return outputs

    def _create_result(self, finish_reason: FinishReason) -> ChatResult:
        return ChatResult(
            "".join(self._visible_text),
            finish_reason,
            len(self.prompt.token_ids),
            self._generated_tokens,
            self.prompt.processed_sizes,
            self._warnings,
            cached_tokens=self._cached_tokens,
            logprobs=tuple(self._logprobs),
            stop_sequence=self._stop_matcher.matched,
        )
