"""What came of sending one sentence round: a step for each sense, with what it took and what it gave."""

from dataclasses import dataclass, field
from enum import StrEnum

from mcp_server.demo.meaning import has_same_meaning


class Sense(StrEnum):
    """The steps in their order, named by what has come of the sentence after each."""

    SAID = "said"
    HEARD = "heard"
    DRAWN = "drawn"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One call of a tool: the words it gave, or the name of the file it made, or why it gave nothing."""

    sense: Sense
    seconds: float
    """As the caller waits, loading included."""
    starter: bool = False
    text: str = ""
    file: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A sentence and its steps, which end early at one that fails."""

    number: int
    sentence: str
    steps: tuple[StepResult, ...] = field(default=())

    def step(self, sense: Sense) -> StepResult | None:
        """Return a step that has been made."""
        return next((step for step in self.steps if step.sense is sense), None)

    def text(self, sense: Sense) -> str:
        """Return the words of a step, empty where it has not been made."""
        return step.text if (step := self.step(sense)) else ""

    def keeps_meaning(self, sense: Sense) -> bool:
        """Tell whether the words of a step still say what the sentence says."""
        return has_same_meaning(self.sentence, self.text(sense))

    @property
    def is_meaning_kept(self) -> bool:
        """Whether the sentence came back."""
        return self.keeps_meaning(Sense.SEEN)

    @property
    def error(self) -> str:
        """Why it ended early."""
        return self.steps[-1].error if self.steps else ""

    @property
    def seconds(self) -> float:
        """How long all of it took."""
        return sum(step.seconds for step in self.steps)
