"""Round trips of sentences through four tools: speak, transcribe, draw the transcript, describe the drawing."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcp_server.demo.agent import CallResult, DemoClient, connect_through_shim
from mcp_server.demo.real import REAL_FALLBACKS, render_text, require_real_models
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from model_runtime.atomic_file import write_atomically

SENTENCES = (
    "a yellow heart on a red background",
    "a green triangle above a yellow circle",
    "two red circles on a yellow background",
    "a large red triangle left of a small pink square",
    "a purple ring below a pink rectangle",
    "a green heart left of a red square left of a blue star",
)
"""No starter model was trained on these (`starter_world.grammar.is_held_out`)."""
IMAGE_SIDE_PX = 512

STARTER_MODELS = ("tts-starter", "stt-starter", "image-starter", "vlm-starter")
"""The built-in model of each sense, in the order of `Sense`."""

ConnectFunction = Callable[[Path], AbstractAsyncContextManager[DemoClient]]
OnStep = Callable[[RoundTrip, StepResult], None]
"""on_step(trip, step) is called after each step, also a failed one; `trip` includes the step."""


@dataclass(frozen=True, slots=True)
class DemoRun:
    """The sentences to send, the model of each sense, and the folder of the results. Drawings are `side_px` squares.

    A real run renders the words that were heard instead of drawing what they mean, and reads them from the picture.
    """

    folder: Path
    sentences: tuple[str, ...] = SENTENCES
    models: dict[Sense, str] = field(default_factory=dict)
    side_px: int = IMAGE_SIDE_PX
    real: bool = False

    def path(self, number: int, sense: Sense) -> Path:
        """Return the path of a step's result."""
        suffix = {Sense.SAID: "wav", Sense.DRAWN: "png"}.get(sense, "txt")
        return self.folder / f"{number:02}-{sense}.{suffix}"


def models_for(model_names: Sequence[str], *, starters: bool, real: bool = False) -> dict[Sense, str]:
    """Return the model of each sense: the named one or, if its name is empty, the built-in, the real or the default one."""
    fallbacks = STARTER_MODELS if starters else REAL_FALLBACKS if real else ("auto",) * len(STARTER_MODELS)
    return {sense: name or fallback for sense, name, fallback in zip(Sense, model_names, fallbacks, strict=True)}


async def run_round_trips(
    run: DemoRun, on_step: OnStep, connect: ConnectFunction = connect_through_shim
) -> AsyncGenerator[RoundTrip]:
    """Run one round trip per sentence, in order, and yield each when it ends.

    A step that fails ends its trip only. Each trip has its own connection, so a daemon that crashes costs one sentence.

    Raises:
        DaemonNotReached: no daemon serves.
        RealModelMissing: the run is real, and only a starter could speak or hear.
    """
    if run.real:
        async with connect(run.folder) as demo_client:
            models = await demo_client.list_models()
        require_real_models(models, run.models)
    for number, sentence in enumerate(run.sentences, 1):
        async with connect(run.folder) as demo_client:
            trip = await _run_round_trip(demo_client, run, RoundTrip(number, sentence), on_step)
        yield trip


async def _run_round_trip(demo_client: DemoClient, run: DemoRun, trip: RoundTrip, on_step: OnStep) -> RoundTrip:
    for sense in Sense:
        if run.real and sense is Sense.DRAWN:
            result = _render(run, trip)
        else:
            tool, arguments = _tool_call(run, trip, sense)
            result = await demo_client.call(tool, model=run.models.get(sense, "auto"), **arguments)
        step = _step_result(run, trip, sense, result)
        trip = replace(trip, steps=(*trip.steps, step))
        on_step(trip, step)
        if step.error:
            break
    return trip


def _tool_call(run: DemoRun, trip: RoundTrip, sense: Sense) -> tuple[str, dict[str, Any]]:
    """Return the tool of a step and its arguments."""
    output_path = str(run.path(trip.number, sense))
    match sense:
        case Sense.SAID:
            return "speak", {"text": trip.sentence, "output_path": output_path}
        case Sense.HEARD:
            return "transcribe", {"audio": str(run.path(trip.number, Sense.SAID)), "output_path": output_path}
        case Sense.DRAWN:
            options = {"width": run.side_px, "height": run.side_px, "seed": trip.number, "preview": "none"}
            return "generate_image", {"prompt": trip.text(Sense.HEARD), "output_path": output_path, **options}
        case Sense.SEEN:
            task = "ocr" if run.real else "caption"
            return "describe_image", {"image": str(run.path(trip.number, Sense.DRAWN)), "task": task}


def _render(run: DemoRun, trip: RoundTrip) -> CallResult:
    started_at = time.monotonic()
    render_text(run.path(trip.number, Sense.DRAWN), trip.text(Sense.HEARD))
    return CallResult({}, time.monotonic() - started_at)


def _step_result(run: DemoRun, trip: RoundTrip, sense: Sense, result: CallResult) -> StepResult:
    data = result.data
    text = {Sense.SAID: trip.sentence, Sense.DRAWN: ""}.get(sense, str(data.get("text") or ""))
    path = run.path(trip.number, sense)
    if sense is Sense.SEEN and not result.error:
        write_atomically(path, f"{text}\n".encode())
    no_speech_error = "No words were heard, so there is nothing to draw." if sense is Sense.HEARD and not text else ""
    return StepResult(
        sense=sense,
        seconds=round(result.seconds, 2),
        starter=bool(data.get("starter")),
        text=text,
        file="" if result.error else path.name,
        error=result.error or no_speech_error,
    )
