"""A check of everything by meaning: what the built-in models say they must hear, what they draw they must see."""

import os
import platform
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
from mcp import MCPError

from mcp_server.demo.agent import DemoClient, connect_through_shim
from mcp_server.demo.loop import DemoRun, models_for, run_round_trips
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from model_runtime.errors import SensesError
from model_runtime.settings import Settings

TEST_SENTENCE = "a red circle"
SIDE_PX = 128
STEP_VERBS = {Sense.SAID: "speaks", Sense.HEARD: "hears", Sense.DRAWN: "draws", Sense.SEEN: "sees"}
OUTPUT_TEXTS = {Sense.SAID: "a recording", Sense.DRAWN: "a picture"}
PrintLine = Callable[[str], None]


def run_checks(settings: Settings, print_line: PrintLine) -> bool:
    """Check the installation through a shim, as a client would, telling each result; return whether all is well."""
    print_line(f"Python {platform.python_version()} on {platform.platform()}, {sys.executable}")
    for name, folder in (("data", settings.folders.data), ("artifacts", settings.folders.artifacts)):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        print_line(f"{_status_label(os.access(parent, os.W_OK))} {name} folder {folder} can be written")
    try:
        return anyio.run(_check_starters, print_line)
    except (SensesError, MCPError, OSError, ExceptionGroup) as error:
        print_line(
            f"{_status_label(False)} the daemon does not serve: {_error_reason(error)}. Its log is in {settings.folders.logs}"
        )
        return False


def print_step(print_line: PrintLine, trip: RoundTrip, step: StepResult) -> None:
    """Print whether a step went well, and what it gave."""
    passed = not step.error and (step.sense in OUTPUT_TEXTS or trip.keeps_meaning(step.sense))
    outcome = step.error or OUTPUT_TEXTS.get(step.sense, step.text)
    print_line(f"{_status_label(passed)} {STEP_VERBS[step.sense]} in {step.seconds:.1f} s: {outcome}")


async def _check_starters(print_line: PrintLine) -> bool:
    """Send one sentence through all four starters."""

    @asynccontextmanager
    async def connect_and_report(folder: Path) -> AsyncGenerator[DemoClient]:
        async with connect_through_shim(folder) as demo_client:
            print_line(f"{_status_label(True)} the daemon answers (protocol {demo_client.client.protocol_version})")
            yield demo_client

    with tempfile.TemporaryDirectory(prefix="senses-doctor-") as folder:
        models = models_for(("",) * len(Sense), starters=True)
        run = DemoRun(Path(folder), (TEST_SENTENCE,), models, SIDE_PX)
        trips = [trip async for trip in run_round_trips(run, partial(print_step, print_line), connect_and_report)]
    for trip in trips:
        print_line(f"{_status_label(trip.is_meaning_kept)} {summary_of(trip)}")
    return all(trip.is_meaning_kept for trip in trips)


def summary_of(trip: RoundTrip) -> str:
    """The whole loop in a sentence, as far as it went."""
    phrases = {
        Sense.SAID: f'spoke "{trip.sentence}"',
        Sense.HEARD: f'heard "{trip.text(Sense.HEARD)}"',
        Sense.DRAWN: "drew it",
        Sense.SEEN: f'saw "{trip.text(Sense.SEEN)}"',
    }
    completed = [phrases[step.sense] for step in trip.steps if not step.error]
    return ", ".join(completed) or f'nothing came of "{trip.sentence}"'


def _error_reason(error: Exception) -> str:
    """The words of an error, which the client's task groups wrap."""
    return _error_reason(error.exceptions[0]) if isinstance(error, ExceptionGroup) else str(error).rstrip(".")


def _status_label(passed: bool) -> str:
    return "ok  " if passed else "FAIL"
