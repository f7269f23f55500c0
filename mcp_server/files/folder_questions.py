"""The questions about folders that a person is asked at present: all calls that need a folder wait for one question."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from mcp_server.files.folders import FolderWish


@dataclass(eq=False, slots=True)
class FolderQuestion:
    """One question. Calls that need one of its folders wait for it up to `wait_seconds`."""

    wishes: tuple[FolderWish, ...]
    wait_seconds: float
    choice: str | None = None
    """What a person chose; "": to answer nothing. None: the call that asked has ended before."""
    closed: anyio.Event = field(default_factory=anyio.Event)


class FolderQuestions:
    """The open questions of one client."""

    def __init__(self) -> None:
        self._open: list[FolderQuestion] = []

    @property
    def waiting_count(self) -> int:
        """How many calls wait for an answer that another one has asked for."""
        return sum(question.closed.statistics().tasks_waiting for question in self._open)

    def begin(self, wishes: tuple[FolderWish, ...], wait_seconds: float) -> None:
        """Note that a person is asked for these folders; do nothing if it is noted already."""
        if not self._about(wishes):
            self._open.append(FolderQuestion(wishes, wait_seconds))

    def end(self, wishes: tuple[FolderWish, ...], choice: str | None) -> None:
        """Tell the calls that wait what a person chose for these folders; see `FolderQuestion.choice`."""
        for question in self._about(wishes):
            self._open.remove(question)
            question.choice = choice
            question.closed.set()

    async def answered(self, wishes: Sequence[FolderWish]) -> FolderQuestion | None:
        """Wait for the end of a question about one of these folders and return it; None: there is no such question."""
        question = next((one for one in self._open if set(one.wishes) & set(wishes)), None)
        if question is not None:
            with anyio.move_on_after(question.wait_seconds):
                await question.closed.wait()
            self.end(question.wishes, None)  # if it has not ended meanwhile
        return question

    def _about(self, wishes: tuple[FolderWish, ...]) -> list[FolderQuestion]:
        return [question for question in self._open if question.wishes == wishes]
