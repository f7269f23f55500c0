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

from mcp_server.demo.agent import Agent, connected
from mcp_server.demo.loop import Tour, models_for, travel
from mcp_server.demo.trip import Sense, Step, Trip
from model_runtime.errors import SensesError
from model_runtime.settings import Settings

WORDS = "a red circle"
SIDE_PX = 128
VERBS = {Sense.SAID: "speaks", Sense.HEARD: "hears", Sense.DRAWN: "draws", Sense.SEEN: "sees"}
MADE = {Sense.SAID: "a recording", Sense.DRAWN: "a picture"}
Say = Callable[[str], None]


def examine(settings: Settings, say: Say) -> bool:
    """Check the installation through a shim, as a client would, telling each result; return whether all is well."""
    say(f"Python {platform.python_version()} on {platform.platform()}, {sys.executable}")
    for name, folder in (("data", settings.folders.data), ("artifacts", settings.folders.artifacts)):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        say(f"{_mark(os.access(parent, os.W_OK))} {name} folder {folder} can be written")
    try:
        return anyio.run(_try_starters, say)
    except (SensesError, MCPError, OSError, ExceptionGroup) as error:
        say(f"{_mark(False)} the daemon does not serve: {_reason(error)}. Its log is in {settings.folders.logs}")
        return False


def say_step(say: Say, trip: Trip, step: Step) -> None:
    """Say whether a step went well, and what it gave."""
    well = not step.error and (step.sense in MADE or trip.agrees(step.sense))
    gave = step.error or MADE.get(step.sense, step.text)
    say(f"{_mark(well)} {VERBS[step.sense]} in {step.seconds:.1f} s: {gave}")


async def _try_starters(say: Say) -> bool:
    """Send one sentence through all four starters."""

    @asynccontextmanager
    async def greeted(folder: Path) -> AsyncGenerator[Agent]:
        async with connected(folder) as agent:
            say(f"{_mark(True)} the daemon answers (protocol {agent.client.protocol_version})")
            yield agent

    with tempfile.TemporaryDirectory(prefix="senses-doctor-") as folder:
        models = models_for(("",) * len(Sense), starters=True)
        tour = Tour(Path(folder), (WORDS,), models, SIDE_PX)
        trips = [trip async for trip in travel(tour, partial(say_step, say), greeted)]
    for trip in trips:
        say(f"{_mark(trip.is_same)} {told(trip)}")
    return all(trip.is_same for trip in trips)


def told(trip: Trip) -> str:
    """The whole loop in a sentence, as far as it went."""
    told = {
        Sense.SAID: f'spoke "{trip.sentence}"',
        Sense.HEARD: f'heard "{trip.text(Sense.HEARD)}"',
        Sense.DRAWN: "drew it",
        Sense.SEEN: f'saw "{trip.text(Sense.SEEN)}"',
    }
    done = [told[step.sense] for step in trip.steps if not step.error]
    return ", ".join(done) or f'nothing came of "{trip.sentence}"'


def _reason(error: Exception) -> str:
    """The words of an error, which the client's task groups wrap."""
    return _reason(error.exceptions[0]) if isinstance(error, ExceptionGroup) else str(error).rstrip(".")


def _mark(well: bool) -> str:
    return "ok  " if well else "FAIL"
