"""The result of one round trip: a step for each sense, with its time and its output."""

from dataclasses import dataclass, field
from enum import StrEnum

from mcp_server.calls.meaning import has_same_meaning


class Sense(StrEnum):
    """The steps in order, each named after what has happened to the sentence."""

    SAID = "said"
    HEARD = "heard"
    DRAWN = "drawn"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One tool call: its text, the name of its file, or its error."""

    sense: Sense
    seconds: float
    """From call to reply, loading included."""
    starter: bool = False
    """Whether a built-in starter model answered."""
    text: str = ""
    file: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A sentence and its steps; a step that fails is the last one."""

    number: int
    sentence: str
    steps: tuple[StepResult, ...] = field(default=())

    def step(self, sense: Sense) -> StepResult | None:
        """Return the step of a sense, or None if it was not reached."""
        return next((step for step in self.steps if step.sense is sense), None)

    def text(self, sense: Sense) -> str:
        """Return the text of a step; empty if it was not reached."""
        return step.text if (step := self.step(sense)) else ""

    def keeps_meaning(self, sense: Sense) -> bool:
        """Return whether the text of a step means what the sentence means."""
        return has_same_meaning(self.sentence, self.text(sense))

    @property
    def is_meaning_kept(self) -> bool:
        """Whether the last text means what the sentence means."""
        return self.keeps_meaning(Sense.SEEN)

    @property
    def error(self) -> str:
        """The error that ended the trip; empty if none did."""
        return self.steps[-1].error if self.steps else ""

    @property
    def seconds(self) -> float:
        """The sum over all steps."""
        return sum(step.seconds for step in self.steps)
