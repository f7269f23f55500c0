"""`senses demo` on the terminal: a line for every step as it is over, then where to look and listen."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from rich.console import Console
from rich.status import Status
from rich.text import Text

from mcp_server.demo.agent import connect_through_shim
from mcp_server.demo.folder import save_results
from mcp_server.demo.loop import ConnectFunction, DemoRun, run_round_trips
from mcp_server.demo.page import page
from mcp_server.demo.sheet import contact_sheet
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from mcp_server.files.artifacts import write_atomically
from model_runtime.errors import Cancelled

PAGE = "demo.html"
SHEET = "contact-sheet.png"
DOING = {Sense.SAID: "speaking", Sense.HEARD: "listening", Sense.DRAWN: "drawing", Sense.SEEN: "looking"}


class Terminal:
    """Shows what happens, with a moving line for the step that is being made."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._doing = ""

    def begins(self, trip: RoundTrip, sense: Sense) -> None:
        """Head the first step of a trip with its sentence."""
        if sense is Sense.SAID:
            self._console.print(Text(f"\n{trip.number}  {trip.sentence}", "bold"))
        self._doing = DOING[sense]
        self._status = self._console.status(self._doing)
        self._status.start()

    def tells(self, message: str) -> None:
        """Move the line."""
        if self._status is not None:
            self._status.update(Text(f"{self._doing}: {message}"))

    def ends(self, trip: RoundTrip, step: StepResult) -> None:
        """Put the step's own line in its place."""
        self.rest()
        told = step.error or (step.file if step.sense in (Sense.SAID, Sense.DRAWN) else step.text)
        line = Text(f"   {step.sense:<6} {step.seconds:5.1f} s  ").append(told, "red" if step.error else "")
        if step.sense in (Sense.HEARD, Sense.SEEN) and not step.error:
            line.append(
                "  ✓" if trip.keeps_meaning(step.sense) else "  ✗", "green" if trip.keeps_meaning(step.sense) else "red"
            )
        self._console.print(line, soft_wrap=True)

    def rest(self) -> None:
        """Take the moving line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def show(tour: DemoRun, console: Console, connect: ConnectFunction = connect_through_shim) -> list[RoundTrip]:
    """Send the tour's sentences round while a person watches; what is there is kept after every one of them.

    Raises:
        NotReached: no daemon serves.
        Cancelled: Ctrl-C.
    """
    trips: list[RoundTrip] = []
    terminal = Terminal(console)
    try:
        anyio.run(_show, tour, terminal, connect, trips)
    except KeyboardInterrupt:
        raise Cancelled(f"Stopped. What was made until then is in {tour.folder}.") from None
    finally:
        terminal.rest()
        with suppress(OSError):
            tour.folder.rmdir()  # goes only where nothing was made
    console.print(summary(tour.folder, trips), soft_wrap=True)
    return trips


async def _show(tour: DemoRun, terminal: Terminal, connect: ConnectFunction, trips: list[RoundTrip]) -> None:
    async for trip in run_round_trips(tour, terminal, connect):
        trips.append(trip)
        await anyio.to_thread.run_sync(publish, tour.folder, trips)


def publish(folder: Path, trips: Sequence[RoundTrip]) -> None:
    """Write the results, the page and the contact sheet of the trips so far; blocking."""
    save_results(folder, trips)
    write_atomically(folder / PAGE, page(trips).encode())
    write_atomically(folder / SHEET, contact_sheet(folder, trips))


def summary(folder: Path, trips: Sequence[RoundTrip]) -> Text:
    """Say how many came back, in what time and memory, by whom, and where everything is."""
    same, seconds = sum(trip.is_meaning_kept for trip in trips), sum(trip.seconds for trip in trips)
    peak = max((trip.used_gb for trip in trips), default=0.0)
    memory = f", with at most {peak * 1e3:.0f} MB of models in memory" if peak else ""
    text = Text(f"\n{same} of {len(trips)} came back with the same meaning, in {seconds:.0f} s{memory}.\n", "bold")
    if any(step.starter for trip in trips for step in trip.steps):
        text.append("The built-in starter models did this; they know only a small world of coloured shapes.\n", "dim")
    failed = sum(bool(trip.error) for trip in trips)
    if failed:
        text.append(f"{failed} ended early: what failed is said above; --starters runs the built-in models.\n", "red")
    return text.append(f"Look and listen: {folder / PAGE}\n").append(f"One picture:     {folder / SHEET}")
