"""Score the whole loop: text → speech → text → picture → caption, over sentences that no starter was taught.

`python -m senses_training.loop` sends 60 held-out scenes of `starter_world.grammar` round through a daemon of its own,
by the tools that agents call, as `senses demo` does. It writes `training/loop.json`. A trip counts where the caption
means what was said (`grammar.means`). What is lost is put down to the first stage that lost it: the speech where other
words were heard, the picture where plain computer vision does not find the scene in it, else the caption.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from mcp_server.cli.daemon_client import DaemonNotRunning
from mcp_server.cli.demo import print_step
from mcp_server.cli.stop import stop_daemon
from mcp_server.demo.loop import STARTER_MODELS, DemoRun, models_for, run_round_trips
from mcp_server.demo.trip import RoundTrip, Sense
from mcp_server.launcher.paths import InstancePaths
from senses_training import paths
from starter_world import grammar
from starter_world.grammar import Scene
from starter_world.judge import judge

SEED = 2026
SHARES = {"single": 24, "pair": 24, "counted": 8, "triple": 4}
SIDE_PX = 128
"""As the painter draws; a larger picture is an enlarged one."""
RESULTS = paths.TRAINING / "loop.json"


def main() -> None:
    """Run the loop and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    drawn = scenes(asked.seed)
    with tempfile.TemporaryDirectory(prefix="senses-loop-") as home:
        os.environ |= {"SENSES_HOME": home, "SENSES_PORT": "0"}
        folder = Path(home, "loop")
        folder.mkdir()
        try:
            trips = asyncio.run(_travel(folder, drawn))
        finally:
            with suppress(DaemonNotRunning):
                stop_daemon(InstancePaths(os.environ))
        report = {"seed": asked.seed, **score(folder, drawn, trips)}
    asked.results.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in report.items() if key != "trips"}, indent=1))


def scenes(seed: int) -> list[Scene]:
    """Draw as many held-out scenes of each kind as `SHARES` says, one sentence never twice."""
    wanted, found = Counter(SHARES), dict[str, Scene]()
    for scene in grammar.drawable(random.Random(seed), held_out=True):
        if wanted[kind(scene)] and str(scene) not in found:
            wanted[kind(scene)] -= 1
            found[str(scene)] = scene
        if not wanted.total():
            break
    return sorted(found.values(), key=lambda scene: list(SHARES).index(kind(scene)))


def kind(scene: Scene) -> str:
    """Name the kind of a scene."""
    return "counted" if scene.is_counted else ("single", "pair", "triple")[len(scene.things) - 1]


def score(folder: Path, drawn: Sequence[Scene], trips: Sequence[RoundTrip]) -> dict[str, Any]:
    """Count what came back by kind, and what was lost where."""
    lost = [lost_by(folder, scene, trip) for scene, trip in zip(drawn, trips, strict=True)]
    same = Counter(kind(scene) for scene, stage in zip(drawn, lost, strict=True) if not stage)
    seconds = {
        sense: statistics.median(step.seconds for trip in trips if (step := trip.step(sense))) for sense in Sense
    }
    return {
        "sentences": len(trips),
        "same": same.total(),
        "share": round(same.total() / len(trips), 4),
        "by_kind": {name: f"{same[name]} of {count}" for name, count in SHARES.items()},
        "lost_by": {stage: lost.count(stage) for stage in ("speech", "picture", "caption", "failure")},
        "median_seconds": seconds,
        "weights_sha256": {name: fingerprint(paths.WEIGHTS / name) for name in STARTER_MODELS},
        "trips": [_row(trip, stage) for trip, stage in zip(trips, lost, strict=True)],
    }


def lost_by(folder: Path, scene: Scene, trip: RoundTrip) -> str:
    """Name the first stage that lost the scene, empty where it came back."""
    seen, heard = grammar.parse(trip.text(Sense.SEEN)), grammar.parse(trip.text(Sense.HEARD))
    if trip.error:
        return "failure"
    if seen is not None and grammar.means(seen, scene):
        return ""
    if heard is None or not grammar.means(heard, scene):
        return "speech"
    drawn = trip.step(Sense.DRAWN)
    assert drawn is not None
    with Image.open(folder / drawn.file) as image:
        return "caption" if shows(scene, image) else "picture"


def shows(scene: Scene, image: Image.Image) -> bool:
    """Tell by plain computer vision whether a picture shows all that a scene names."""
    found = judge(scene, image)
    sized = any(thing.size for thing in scene.things)
    return all(
        (
            found.count,
            found.color,
            found.shape,
            found.place,
            found.size or not sized,
            found.page or not scene.background,
        )
    )


def fingerprint(folder: Path) -> str:
    """Return a digest of all weights in a model's folder."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in ("*.safetensors", "*.npz") for file in folder.rglob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _row(trip: RoundTrip, stage: str) -> dict[str, str]:
    texts = {str(sense): trip.text(sense) for sense in (Sense.SAID, Sense.HEARD, Sense.SEEN)}
    return texts | {"lost_by": stage, "error": trip.error}


async def _travel(folder: Path, drawn: Sequence[Scene]) -> list[RoundTrip]:
    models = models_for(("",) * len(Sense), starters=True)
    tour = DemoRun(folder, tuple(map(str, drawn)), models, SIDE_PX)
    return [trip async for trip in run_round_trips(tour, partial(print_step, print))]


if __name__ == "__main__":
    main()
