"""Whether the daemon is well and, if not, what is wrong and why. Pure."""

from dataclasses import dataclass
from typing import Literal

from model_runtime.status import Status


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong with one model, or with the daemon if `model` is None; `cause` is empty if `text` says it all."""

    model: str | None
    text: str
    cause: str


@dataclass(frozen=True, slots=True)
class Health:
    """The state, one line of text for people, and all reasons."""

    state: Literal["ok", "degraded", "stopping"]
    text: str
    reasons: tuple[Reason, ...]


def health_of(status: Status) -> Health:
    """Return the health that a status shows: first what is wrong with the daemon, then with its models."""
    reasons = (
        *(Reason(None, problem, "") for problem in status.problems),
        *(
            Reason(model.name, f"{model.name} {model.failure or 'has a problem'}", model.error)
            for model in status.models
            if model.error
        ),
    )
    if not status.accepting:
        return Health("stopping", "Shutting down", reasons)
    if not reasons:
        return Health("ok", "Healthy", ())
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return Health("degraded", f"Degraded: {reasons[0].text}{more}", reasons)
