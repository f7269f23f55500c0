"""The progress of a job: one rising fraction and a short message for people."""

import time
from dataclasses import dataclass, field
from math import inf

import anyio

from model_runtime.events import Loading, Preview, Progress, Queued

ProgressEvent = Queued | Loading | Progress | Preview
"""Events that say how far a request is."""
LOADING_FRACTION = 0.4
"""The part of the progress that belongs to loading a model; the work itself has the rest."""
MIN_PACE_FRACTION = 0.02
"""The part of the whole that must be done before the remaining time is estimated."""
MIN_INCREMENT = 0.0001
"""MCP requires that the value rises with every progress notification."""
STAGE_TEXTS = {
    "seconds": "heard {done:.0f} of {total:.0f} s",
    "tokens": "{done:.0f} tokens",
    "steps": "step {done:.0f}/{total:.0f}",
}


@dataclass(eq=False, slots=True)
class ProgressTracker:
    """The progress of a job in `part_count` equal parts; `part_index` counts from 0, `part_name` begins each message."""

    message: str = "starting"
    fraction: float = 0.0
    part_count: int = 1
    part_index: int = 0
    part_name: str = ""
    changed: anyio.Event = field(default_factory=anyio.Event)
    """Set, and replaced, at the next change."""
    _last_reported: float = -MIN_INCREMENT
    _work_start: tuple[float, float] | None = None
    """Time (monotonic, seconds) and fraction at the first progress of the work itself."""

    def update(self, event: ProgressEvent) -> None:
        """Update message and fraction from an event of the runtime."""
        message, fraction = progress_of(event)
        self.message = f"{self.part_name}, {message}" if self.part_name else message
        working = not isinstance(event, Queued | Loading)
        if not working:
            self._work_start = None
        self.set_fraction((self.part_index + fraction) / self.part_count, working=working)
        self.notify()

    def begin_part(self, index: int, name: str) -> None:
        """Begin a part of the job, such as "picture 2/4"."""
        self.part_index, self.part_name = index, name
        self.set_message(name or self.message)

    def set_fraction(self, fraction: float, *, working: bool = True, now: float | None = None) -> None:
        """Set the fraction of the whole job. `working` is false while the job only waits or loads a model.

        `now` is a monotonic time in seconds, by default the current one.
        """
        self.fraction = fraction
        if working and self._work_start is None:
            self._work_start = (time.monotonic() if now is None else now, fraction)

    def eta_seconds(self, now: float | None = None) -> float | None:
        """Return an estimate of the remaining seconds, or None before `MIN_PACE_FRACTION` of the work is done."""
        if self._work_start is None:
            return None
        started_at, start_fraction = self._work_start
        progressed = self.fraction - start_fraction
        elapsed_seconds = (time.monotonic() if now is None else now) - started_at
        return elapsed_seconds * (1 - self.fraction) / progressed if progressed > MIN_PACE_FRACTION else None

    def set_message(self, message: str) -> None:
        """Set the message for work outside the model."""
        self.message = message
        self.notify()

    def notify(self) -> None:
        """Wake every task that waits for `changed`."""
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    def next_report(self) -> tuple[float, str]:
        """Return a fraction above every earlier one and below 1, and the message."""
        self._last_reported = max(self._last_reported + MIN_INCREMENT, min(self.fraction, 0.99))
        return min(self._last_reported, 0.9999), self.message


def progress_of(event: ProgressEvent) -> tuple[str, float]:
    """Return the message and the fraction of the request that an event stands for."""
    match event:
        case Queued(position, reason, wait_seconds):
            wait = f", about {wait_seconds:.0f} s" if wait_seconds is not None and 1 <= wait_seconds < inf else ""
            return f"queued, {ordinal(position)} in line{wait}" + (f": {reason}" if reason else ""), 0.0
        case Loading(model, _, fraction):
            percent = f" {fraction:.0%}" if fraction is not None else ""
            return f"loading {model}{percent}", LOADING_FRACTION * (fraction or 0.0)
        case Progress(stage, done, total):
            share = done / total if total > 0 else 0.0
            text = STAGE_TEXTS.get(stage, stage + " {done:.0f}/{total:.0f}").format(done=done, total=total)
            return text, LOADING_FRACTION + (1 - LOADING_FRACTION) * min(max(share, 0.0), 1.0)
        case Preview(_, step, steps):
            return f"step {step}/{steps}", LOADING_FRACTION + (1 - LOADING_FRACTION) * step / max(steps, 1)


def ordinal(number: int) -> str:
    """Return "1st", "2nd", "3rd", "4th", "11th" …"""
    last = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"
