"""How far a request is, as one rising fraction and a short sentence for people."""

import time
from dataclasses import dataclass, field

import anyio

from model_runtime.events import Event, Loading, Preview, Progress, Queued

LOADING_SHARE = 0.4
"""The part of the bar that loading a model fills; the work itself fills the rest."""
ENOUGH = 0.02
"""How much of the whole must be done before its pace tells anything."""
RISE = 0.0001
"""Progress values must rise even where nothing moved (MCP, progress)."""
STAGES = {
    "seconds": "heard {done:.0f} of {total:.0f} s",
    "tokens": "{done:.0f} tokens",
    "steps": "step {done:.0f}/{total:.0f}",
}


@dataclass(eq=False, slots=True)
class Meter:
    """The progress of a job in `parts` equal parts (pictures); `part` counts from 0."""

    message: str = "starting"
    fraction: float = 0.0
    parts: int = 1
    part: int = 0
    news: anyio.Event = field(default_factory=anyio.Event)
    """Set, and replaced, at the next change."""
    _told: float = -RISE
    _pace: tuple[float, float] | None = None
    """When the work itself began to move, and the fraction it moved from."""

    def note(self, event: Event) -> None:
        """Take in an event of the runtime; those that tell no progress change nothing."""
        reading = describe(event)
        if reading is None:
            return
        message, fraction = reading
        prefix = f"picture {self.part + 1}/{self.parts}, " if self.parts > 1 else ""
        self.message = prefix + message
        working = not isinstance(event, Queued | Loading)
        if not working:
            self._pace = None
        self.reach((self.part + fraction) / self.parts, working=working)
        self.stir()

    def reach(self, fraction: float, *, working: bool = True, now: float | None = None) -> None:
        """Take in how far the request is; `working` tells that it is not only waiting or loading."""
        self.fraction = fraction
        if working and self._pace is None:
            self._pace = (time.monotonic() if now is None else now, fraction)

    def eta_seconds(self, now: float | None = None) -> float | None:
        """Estimate the time that is left from the pace so far; None while nothing has moved."""
        if self._pace is None:
            return None
        began, start = self._pace
        moved, took = self.fraction - start, (time.monotonic() if now is None else now) - began
        return took * (1 - self.fraction) / moved if moved > ENOUGH else None

    def say(self, message: str) -> None:
        """Tell what is done besides the model's work."""
        self.message = message
        self.stir()

    def stir(self) -> None:
        """Wake whoever waits for news."""
        news, self.news = self.news, anyio.Event()
        news.set()

    def read(self) -> tuple[float, str]:
        """Return a fraction above every earlier one and below 1, and the message."""
        self._told = max(self._told + RISE, min(self.fraction, 0.99))
        return min(self._told, 0.9999), self.message


def describe(event: Event) -> tuple[str, float] | None:
    """Say what an event means for a person who waits, and how far the request is; None where it says nothing."""
    match event:
        case Queued(position, reason):
            return f"queued, {ordinal(position)} in line" + (f": {reason}" if reason else ""), 0.0
        case Loading(model, _, fraction):
            known = f" {fraction:.0%}" if fraction is not None else ""
            return f"loading {model}{known}", LOADING_SHARE * (fraction or 0.0)
        case Progress(stage, done, total):
            share = done / total if total > 0 else 0.0
            words = STAGES.get(stage, stage + " {done:.0f}/{total:.0f}").format(done=done, total=total)
            return words, LOADING_SHARE + (1 - LOADING_SHARE) * min(max(share, 0.0), 1.0)
        case Preview(_, step, steps):
            return f"step {step}/{steps}", LOADING_SHARE + (1 - LOADING_SHARE) * step / max(steps, 1)
        case _:
            return None


def ordinal(number: int) -> str:
    """Write 1st, 2nd, 3rd, 4th, 11th …"""
    last = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"
