"""Sentences sent round through four tools: spoken, written down, drawn from what was heard, and described."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mcp_server.demo.agent import Agent, Called, connected
from mcp_server.demo.trip import Sense, Step, Trip
from mcp_server.files.artifacts import write_whole

SENTENCES = (
    "a yellow heart on a red background",
    "a green triangle above a yellow circle",
    "two red circles on a yellow background",
    "a large red triangle left of a small pink square",
    "a purple ring below a pink rectangle",
    "a green heart left of a red square left of a blue star",
)
"""None of these was in the starters' lessons (`starter_world.grammar.is_held_out`, in `training/`)."""
SIDE_PX = 512

STARTERS = ("tts-starter", "stt-starter", "image-starter", "vlm-starter")
"""The built-in model of each sense, in their order."""

Connect = Callable[[Path], AbstractAsyncContextManager[Agent]]


@dataclass(frozen=True, slots=True)
class Tour:
    """Which sentences go round, by which models, and where everything is kept; pictures are squares of `side_px`."""

    folder: Path
    sentences: tuple[str, ...] = SENTENCES
    models: dict[Sense, str] = field(default_factory=dict)
    side_px: int = SIDE_PX

    def path(self, number: int, sense: Sense) -> Path:
        """Return where the result of a step goes."""
        suffix = {Sense.SAID: "wav", Sense.DRAWN: "png"}.get(sense, "txt")
        return self.folder / f"{number:02}-{sense}.{suffix}"


def models_for(named: Sequence[str], *, starters: bool) -> dict[Sense, str]:
    """Say which model serves each sense: the one that is named, else the built-in one or the default."""
    others = STARTERS if starters else ("auto",) * len(STARTERS)
    return {sense: name or other for sense, name, other in zip(Sense, named, others, strict=True)}


class Watch(Protocol):
    """Whoever follows the loop."""

    def begins(self, trip: Trip, sense: Sense) -> None:
        """A step is started."""

    def tells(self, message: str) -> None:
        """How far the step is."""

    def ends(self, trip: Trip, step: Step) -> None:
        """A step is over, well or not."""


async def travel(tour: Tour, watch: Watch, connect: Connect = connected) -> AsyncGenerator[Trip]:
    """Send every sentence round, one after the other, and give each trip when it is over.

    Each has a connection of its own: a daemon that breaks costs one sentence. A step that fails ends its trip only.

    Raises:
        NotReached: no daemon serves.
    """
    for number, sentence in enumerate(tour.sentences, 1):
        async with connect(tour.folder) as agent:
            trip = await _send_round(agent, tour, Trip(number, sentence), watch)
        yield trip


async def _send_round(agent: Agent, tour: Tour, trip: Trip, watch: Watch) -> Trip:
    for sense in Sense:
        watch.begins(trip, sense)
        tool, arguments = _request(tour, trip, sense)
        called = await agent.call(tool, watch.tells, model=tour.models.get(sense, "auto"), **arguments)
        step = _step(tour, trip, sense, called)
        trip = replace(trip, steps=(*trip.steps, step))
        watch.ends(trip, step)
        if step.error:
            break
    return replace(trip, used_gb=await agent.used_gb())


def _request(tour: Tour, trip: Trip, sense: Sense) -> tuple[str, dict[str, Any]]:
    """Name the tool of a step and what it is called with."""
    saved = str(tour.path(trip.number, sense))
    match sense:
        case Sense.SAID:
            return "speak", {"text": trip.sentence, "output_path": saved}
        case Sense.HEARD:
            return "transcribe", {"audio": str(tour.path(trip.number, Sense.SAID)), "output_path": saved}
        case Sense.DRAWN:
            sides = {"width": tour.side_px, "height": tour.side_px, "seed": trip.number, "preview": "none"}
            return "generate_image", {"prompt": trip.text(Sense.HEARD), "output_path": saved, **sides}
        case Sense.SEEN:
            return "describe_image", {"image": str(tour.path(trip.number, Sense.DRAWN)), "task": "caption"}


def _step(tour: Tour, trip: Trip, sense: Sense, called: Called) -> Step:
    data = called.data
    text = {Sense.SAID: trip.sentence, Sense.DRAWN: ""}.get(sense, str(data.get("text") or ""))
    path = tour.path(trip.number, sense)
    if sense is Sense.SEEN and not called.error:
        write_whole(path, f"{text}\n".encode())
    silent = "No words were heard, so there is nothing to draw." if sense is Sense.HEARD and not text else ""
    return Step(
        sense=sense,
        seconds=round(called.seconds, 2),
        load_seconds=float(data.get("load_seconds") or 0.0),
        model=str(data.get("model") or ""),
        starter=bool(data.get("starter")),
        text=text,
        file="" if called.error else path.name,
        warnings=tuple(data.get("warnings") or ()),
        error=called.error or silent,
    )
