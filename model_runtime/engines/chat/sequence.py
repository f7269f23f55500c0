"""One answer in the making: tokens in, text and its end out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from model_runtime.engines.chat.sampling import Choice
from model_runtime.engines.chat.stop_strings import StopStrings
from model_runtime.engines.protocol import Outcome
from model_runtime.events import Answer, Progress, TextDelta
from model_runtime.requests import Chat

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat as its model reads it: token ids, and what embedding the pictures among them takes."""

    tokens: list[int]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seen: tuple[tuple[int, int], ...] = ()
    """See `Answer.seen`."""


class Row:
    """The state of one job, from its prompt to its answer."""

    def __init__(self, job: int, chat: Chat, prompt: Prompt, choice: Choice, tokenizer: Tokenizer) -> None:
        self.job = job
        self.chat = chat
        self.prompt = prompt
        self.choice = choice
        self.answer: Answer | None = None
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stops = StopStrings(chat.stop)
        self._shown: list[str] = []
        self._tokens = 0
        self._known = 0
        self._read = 0
        self._chunk = 0
        self._tells = False

    @property
    def reading(self) -> bool:
        """Whether the first token is still to come."""
        return self._tokens == 0 and self.answer is None

    def release(self) -> None:
        """Let go of what only embedding took: the patches of a screenshot are tens of megabytes."""
        self.prompt = replace(self.prompt, inputs={})

    def begin(self, known_tokens: int, chunk_tokens: int) -> list[Outcome]:
        """The prompt is about to be read a chunk at a time, from after its first tokens where those are known.

        Its progress is only told where there is more to read than one chunk: else the answer begins at once.
        """
        self._known = self._read = known_tokens
        self._chunk = chunk_tokens
        self._tells = len(self.prompt.tokens) - known_tokens > chunk_tokens
        return self._progress()

    def read_chunk(self) -> list[Outcome]:
        """Note that the model has read another chunk of the prompt."""
        before, self._read = self._read, min(self._read + self._chunk, len(self.prompt.tokens))
        return self._progress() if self._read > before else []

    def _progress(self) -> list[Outcome]:
        return [Progress("prompt tokens", self._read, len(self.prompt.tokens))] if self._tells else []

    def take(self, token: int, finish: FinishReason | None) -> list[Outcome]:
        """Take in the next token; `finish` "stop" means it is the end itself, "length" that it is the last one."""
        text = ""
        if finish != "stop":
            self._tokens += 1
            text = self._stops.push(self._stream.step(self._tokenizer, token) or "")
        if self._stops.met:
            finish = "stop"
        elif finish:
            text += self._stops.finish()
        outcomes: list[Outcome] = [TextDelta(text)] if text else []
        self._shown.append(text)
        if finish:
            prompt = self.prompt
            text = "".join(self._shown)
            self.answer = Answer(text, finish, len(prompt.tokens), self._tokens, prompt.seen, known_tokens=self._known)
            outcomes.append(self.answer)
        return outcomes
