"""`senses doctor`: check the folders, the daemon, and all four tools with the built-in models.

The tools pass if the transcript of the spoken sentence and the description of the drawing mean what the sentence means.
"""

import os
import platform
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
from mcp import MCPError

from mcp_server.cli.demo import PrintLine
from mcp_server.client_setup.location import current_warning
from mcp_server.demo.agent import DaemonNotReached, DemoClient, connect_through_shim
from mcp_server.demo.loop import DemoRun, models_for, run_round_trips
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from model_runtime.errors import SensesError
from model_runtime.settings import Settings

TEST_SENTENCE = "a red circle"
IMAGE_SIDE_PX = 128
"""The built-in model draws 128 × 128 pixels."""
STEP_VERBS = {Sense.SAID: "speaks", Sense.HEARD: "hears", Sense.DRAWN: "draws", Sense.SEEN: "sees"}
OUTPUT_TEXTS = {Sense.SAID: "a recording", Sense.DRAWN: "a picture"}


def run_checks(settings: Settings, print_line: PrintLine) -> bool:
    """Check the installation through a shim, as a client uses it; print each result and return whether the tools pass."""
    print_line(f"Python {platform.python_version()} on {platform.platform()}, {sys.executable}")
    if warning := current_warning():
        print_line(f"note {warning}")
    for name, folder in (("data", settings.folders.data), ("results", settings.folders.artifacts)):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        is_writable = os.access(parent, os.W_OK)
        print_line(f"{_status_label(is_writable)} {name} folder {folder} {'is' if is_writable else 'is not'} writable")
    try:
        return anyio.run(_check_starters, print_line)
    except (SensesError, MCPError, OSError, ExceptionGroup) as error:
        print_line(
            f"{_status_label(False)} Senses does not answer: {_error_reason(error)}. "
            f"Its log is in {settings.folders.logs}"
        )
        return False


def print_step(print_line: PrintLine, trip: RoundTrip, step: StepResult) -> None:
    """Print whether a step passes, its seconds and its result."""
    passed = not step.error and (step.sense in OUTPUT_TEXTS or trip.keeps_meaning(step.sense))
    outcome = step.error or OUTPUT_TEXTS.get(step.sense, step.text)
    print_line(f"{_status_label(passed)} {STEP_VERBS[step.sense]} in {step.seconds:.1f} s: {outcome}")


async def _check_starters(print_line: PrintLine) -> bool:
    """Send one sentence through the four starter models; return whether its meaning stays the same."""

    @asynccontextmanager
    async def connect_and_report(folder: Path) -> AsyncGenerator[DemoClient]:
        async with connect_through_shim(folder) as demo_client:
            print_line(f"{_status_label(True)} Senses answers (MCP {demo_client.client.protocol_version})")
            yield demo_client

    with tempfile.TemporaryDirectory(prefix="senses-doctor-") as folder:
        models = models_for(("",) * len(Sense), starters=True)
        run = DemoRun(Path(folder), (TEST_SENTENCE,), models, IMAGE_SIDE_PX)
        trips = [trip async for trip in run_round_trips(run, partial(print_step, print_line), connect_and_report)]
    for trip in trips:
        print_line(f"{_status_label(trip.is_meaning_kept)} {summary_of(trip)}")
    return all(trip.is_meaning_kept for trip in trips)


def summary_of(trip: RoundTrip) -> str:
    """Return the steps that succeeded as one sentence."""
    phrases = {
        Sense.SAID: f'spoke "{trip.sentence}"',
        Sense.HEARD: f'heard "{trip.text(Sense.HEARD)}"',
        Sense.DRAWN: "drew it",
        Sense.SEEN: f'saw "{trip.text(Sense.SEEN)}"',
    }
    completed = [phrases[step.sense] for step in trip.steps if not step.error]
    return ", ".join(completed) or f'no step succeeded for "{trip.sentence}"'


def _error_reason(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):  # the client's task groups wrap errors
        return _error_reason(error.exceptions[0])
    return (error.reason if isinstance(error, DaemonNotReached) else str(error)).rstrip(".")


def _status_label(passed: bool) -> str:
    return "ok  " if passed else "FAIL"
