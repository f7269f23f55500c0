"""The answer of one sequence: what its tokens say becomes text, reasoning and calls of tools."""

from collections.abc import Iterable

from model_runtime.engines.chat.answer_plan import AnswerPlan
from model_runtime.engines.chat.answer_splitter import AnswerPart, AnswerSplitter, PartKind
from model_runtime.engines.chat.logprobs import LogprobTrack
from model_runtime.engines.chat.stop_sequences import StopSequenceMatcher
from model_runtime.engines.chat.tool_calls import MalformedToolCallError, ToolCallReader
from model_runtime.events import EngineEvent, ReasoningDelta, TextDelta, TokenLogprob
from model_runtime.requests import Chat, ToolCall

UNFINISHED_CALL = "The answer reached its limit of tokens within a tool call, which is left out. Allow more tokens."


class Answer:
    """Collects an answer. Stop sequences and log-probabilities are those of its text only."""

    def __init__(self, chat: Chat, plan: AnswerPlan) -> None:
        tools = plan.answer_format.tools if chat.tools else None
        is_guided = plan.grammar_mask is not None
        self._splitter = AnswerSplitter(plan.answer_format.marks(with_tools=tools is not None), plan.state)
        self._reader = ToolCallReader(tools, chat.tools, is_guided=is_guided) if tools else None
        self._takes_several_calls = chat.parallel_tool_calls
        self._stop_matcher = StopSequenceMatcher(chat.stop)
        self._logprob_track = LogprobTrack()
        self._call_characters = 0
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.warnings: tuple[str, ...] = ()

    @property
    def is_reasoning(self) -> bool:
        """Whether the next token belongs to the reasoning."""
        return self._splitter.state == "reasoning"

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """All calls so far."""
        return tuple(self._reader.calls) if self._reader else ()

    @property
    def stop_sequence(self) -> str:
        """The stop sequence that has come, "" before."""
        return self._stop_matcher.matched

    @property
    def is_complete(self) -> bool:
        """Whether nothing that follows counts: a stop sequence has come, or the only call that it may have."""
        return bool(self.stop_sequence) or (bool(self.tool_calls) and not self._takes_several_calls)

    def push(self, text: str, logprob: TokenLogprob | None = None) -> list[EngineEvent]:
        """Append the text of a token and return what is certain."""
        if logprob is not None:
            self._logprob_track.add(logprob, len(text))
        return self._take_all(self._splitter.push(text))

    def finish(self, *, is_cut_off: bool) -> list[EngineEvent]:
        """End the answer and return the rest. `is_cut_off` says that it reached its limit of tokens."""
        events = self._take_all(self._splitter.finish())
        if self._reader and self._reader.is_open:
            events += self._abandon_call(self._reader) if is_cut_off else self._close_call(self._reader, "")
        if not self.is_complete:
            events += self._show(self._stop_matcher.flush())
            events += self._show("", () if self.is_reasoning else self._logprob_track.release_all())
        return events

    def _take_all(self, parts: Iterable[AnswerPart]) -> list[EngineEvent]:
        events: list[EngineEvent] = []
        for part in parts:
            if not self.is_complete:
                events += self._take(part)
        return events

    def _take(self, part: AnswerPart) -> list[EngineEvent]:
        if part.kind is PartKind.TEXT:
            return self._show(self._stop_matcher.push(part.text))
        shown = self._show(self._stop_matcher.flush())
        if self._reader and part.kind in (PartKind.CALL_START, PartKind.CALL, PartKind.CALL_END):
            return shown + self._take_call(self._reader, part)
        self._logprob_track.release(len(part.text))
        if part.kind is not PartKind.REASONING:
            return shown
        self.reasoning.append(part.text)
        return [*shown, ReasoningDelta(part.text)]

    def _take_call(self, reader: ToolCallReader, part: AnswerPart) -> list[EngineEvent]:
        """Take a part of a call. Its log-probabilities wait for the end: it may turn out to be text."""
        self._call_characters += len(part.text)
        if part.kind is PartKind.CALL_START:
            reader.open(part.text)
            return []
        if part.kind is PartKind.CALL_END:
            return self._close_call(reader, part.text)
        return [*reader.push(part.text)]

    def _close_call(self, reader: ToolCallReader, mark: str) -> list[EngineEvent]:
        characters, self._call_characters = self._call_characters, 0
        try:
            events: list[EngineEvent] = [*reader.close(mark)]
        except MalformedToolCallError as error:
            return self._show(self._stop_matcher.push(error.text))
        self._logprob_track.release(characters)
        return events

    def _abandon_call(self, reader: ToolCallReader) -> list[EngineEvent]:
        self._logprob_track.release(self._call_characters)
        if not reader.abandon():
            self.warnings = (UNFINISHED_CALL,)
        return []

    def _show(self, text: str, logprobs: tuple[TokenLogprob, ...] = ()) -> list[EngineEvent]:
        logprobs = self._logprob_track.release(len(text)) + logprobs
        self.texts.append(text)
        self.logprobs += logprobs
        return [TextDelta(text, logprobs)] if text or logprobs else []
