"""`senses demo`: print the result of each step for every sentence, and whether the meaning stayed the same."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from mcp_server.demo.agent import connect_through_shim
from mcp_server.demo.loop import SENTENCES, ConnectFunction, DemoRun, models_for, run_round_trips
from mcp_server.demo.real import EVERYDAY_SENTENCES
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from model_runtime.errors import Cancelled, InvalidInput
from model_runtime.settings import Settings

PrintLine = Callable[[str], None]


def plan_run(
    settings: Settings,
    folder: Path | None,
    sentence_count: int,
    model_names: Sequence[str],
    *,
    starters: bool,
    real: bool,
) -> DemoRun:
    """Return a run of the first sentences, with one model name per sense; an empty name is the default model.

    Raises:
        InvalidInput: the folder is not empty, or cannot be made; or real models are asked to be starters or to draw.
    """
    models = models_for(model_names, starters=starters, real=real)
    if real and (starters or models[Sense.DRAWN]):
        raise InvalidInput("--real renders the words that were heard; leave out --starters and --draw.")
    target = given_folder(folder) if folder else new_folder(settings.folders.artifacts / "demo")
    return DemoRun(target, (EVERYDAY_SENTENCES if real else SENTENCES)[:sentence_count], models, real=real)


def run_demo(run: DemoRun, print_line: PrintLine, connect: ConnectFunction = connect_through_shim) -> list[RoundTrip]:
    """Send every sentence through all four tools, print each step when it ends, and print a summary.

    Raises:
        DaemonNotReached: no daemon serves.
        RealModelMissing: the run is real, and only a starter could speak or hear.
        Cancelled: Ctrl-C was pressed; results so far stay in the folder.
    """
    try:
        trips = anyio.run(_send_all, run, print_line, connect)
    except KeyboardInterrupt:
        raise Cancelled(f"Stopped. The results so far are in {run.folder}.") from None
    finally:
        with suppress(OSError):
            run.folder.rmdir()  # fails unless the folder is empty
    print_line(summary(run.folder, trips))
    return trips


async def _send_all(run: DemoRun, print_line: PrintLine, connect: ConnectFunction) -> list[RoundTrip]:
    return [trip async for trip in run_round_trips(run, partial(print_step, print_line), connect)]


def print_step(print_line: PrintLine, trip: RoundTrip, step: StepResult) -> None:
    """Print one step: its sense, its seconds, its text, file or error, and whether the meaning is still the same."""
    if step.sense is Sense.SAID:
        print_line(f"\n{trip.number}  {trip.sentence}")
    result = step.error or (step.file if step.sense in (Sense.SAID, Sense.DRAWN) else step.text)
    is_judged = step.sense in (Sense.HEARD, Sense.SEEN) and not step.error
    mark = ("  ✓" if trip.keeps_meaning(step.sense) else "  ✗") if is_judged else ""
    print_line(f"   {step.sense:<6} {step.seconds:5.1f} s  {result}{mark}")


def summary(folder: Path, trips: Sequence[RoundTrip]) -> str:
    """Return how many sentences kept their meaning, the total time, the number of failures and the folder."""
    same, seconds = sum(trip.is_meaning_kept for trip in trips), sum(trip.seconds for trip in trips)
    lines = [f"\n{same} of {len(trips)} came back with the same meaning, in {seconds:.0f} s."]
    if any(step.starter for trip in trips for step in trip.steps):
        lines.append("The built-in starter models did this; they know only a small world of coloured shapes.")
    if failed := sum(bool(trip.error) for trip in trips):
        lines.append(f"{failed} ended early; the error is above. With --starters the built-in models run every step.")
    return "\n".join([*lines, f"Recordings, pictures and texts: {folder}"])


def new_folder(parent: Path) -> Path:
    """Make a new folder in `parent`; its name starts with the date and time.

    Raises:
        InvalidInput: `parent` cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent))
    except OSError as error:
        raise _cannot_make(parent, error) from error


def given_folder(path: Path) -> Path:
    """Return the absolute path of a folder that is empty; make it if it does not exist.

    Raises:
        InvalidInput: it is not empty, is a file, or cannot be made.
    """
    folder = path.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except FileExistsError as error:
        raise InvalidInput(f"{folder} is a file; name a folder.") from error
    except OSError as error:
        raise _cannot_make(folder, error) from error
    if not is_empty:
        raise InvalidInput(
            f"{folder} is not empty, and the demo overwrites nothing. Name a new folder, or leave --folder out."
        )
    return folder


def _cannot_make(folder: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{folder} cannot be made: {error.strerror}. Name another with --folder.")
