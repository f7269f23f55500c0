"""Split an answer, which arrives in pieces, at its marks: into text, reasoning and calls of tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from model_runtime.engines.chat.stop_sequences import partial_match_length

AnswerState = Literal["start", "text", "reasoning", "call"]
"""Where an answer is. "start" is its text before the first letter of it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A text that ends one state and begins another."""

    text: str
    opens: AnswerState


class PartKind(StrEnum):
    """Kind of a part. `MARK` is what nobody is shown: a mark, or white space beside one."""

    TEXT = "text"
    REASONING = "reasoning"
    CALL_START = "call start"
    CALL = "call"
    CALL_END = "call end"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of an answer. The texts of all parts together are the answer as the model wrote it."""

    kind: PartKind
    text: str


KIND_BY_STATE: Mapping[AnswerState, PartKind] = {
    "start": PartKind.TEXT,
    "text": PartKind.TEXT,
    "reasoning": PartKind.REASONING,
    "call": PartKind.CALL,
}


class AnswerSplitter:
    """Passes parts on as soon as they cannot be the beginning of a mark. `marks` are those of each state."""

    def __init__(self, marks: Mapping[AnswerState, tuple[Mark, ...]], state: AnswerState = "start") -> None:
        self.state = state
        self._marks = marks
        self._held_back = ""
        self._skips_space = state == "reasoning"

    def push(self, text: str) -> list[AnswerPart]:
        """Append the next piece and return the parts that are certain."""
        self._held_back += text
        parts: list[AnswerPart] = []
        while found := self._find_mark():
            start, mark = found
            parts += self._release(start, ends=True)
            parts.append(self._cross(mark))
        return parts + self._release(len(self._held_back) - self._uncertain_length())

    def finish(self) -> list[AnswerPart]:
        """Return the rest, at the end of the answer."""
        return self._release(len(self._held_back))

    def _find_mark(self) -> tuple[int, Mark] | None:
        """Return the first mark and its index; of several at the same place, the longest."""
        places = [(self._held_back.find(mark.text), mark) for mark in self._marks[self.state]]
        found = [(start, -len(mark.text), mark) for start, mark in places if start >= 0]
        if not found:
            return None
        start, _, mark = min(found, key=lambda place: place[:2])
        return start, mark

    def _cross(self, mark: Mark) -> AnswerPart:
        """Take a mark from the front and return it."""
        kind = PartKind.MARK
        if mark.opens == "call":
            kind = PartKind.CALL_START
        elif self.state == "call":
            kind = PartKind.CALL_END
        self._held_back = self._held_back[len(mark.text) :]
        self.state, self._skips_space = mark.opens, mark.opens != "call"
        return AnswerPart(kind, mark.text)

    def _release(self, count: int, *, ends: bool = False) -> list[AnswerPart]:
        """Take the first characters and return them without the white space after a mark and, if one `ends` them, before."""
        body, self._held_back = self._held_back[:count], self._held_back[count:]
        kind = KIND_BY_STATE[self.state]
        if kind is PartKind.CALL:
            return _parts((kind, body))
        inner = body.lstrip() if self._skips_space else body
        leading = body[: len(body) - len(inner)]
        visible = inner.rstrip() if ends else inner
        if visible.strip():
            self._skips_space = False
            self.state = "text" if self.state == "start" else self.state
        return _parts((PartKind.MARK, leading), (kind, visible), (PartKind.MARK, inner[len(visible) :]))

    def _uncertain_length(self) -> int:
        """Return the length of the end that may begin a mark, with the white space before it."""
        marks = self._marks[self.state]
        if not marks:
            return 0
        certain = len(self._held_back) - partial_match_length(self._held_back, [mark.text for mark in marks])
        if self.state != "call":
            certain = len(self._held_back[:certain].rstrip())
        return len(self._held_back) - certain


def _parts(*parts: tuple[PartKind, str]) -> list[AnswerPart]:
    return [AnswerPart(kind, text) for kind, text in parts if text]
