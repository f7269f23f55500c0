"""Score the exported starter through Senses' own engine on prompts that training never saw.

`python -m senses_training.painter.score` writes `scores.json` beside the model's card and
`training/sheets/image-starter.png`. The judge is plain computer vision (`starter_world.judge`); with `--captions` the
vision starter reads the same pictures. Seconds are of one processor's time, so that a busy machine does not count.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

from model_runtime.engines.image.engine import ImageEngine  # noqa: E402
from model_runtime.events import GeneratedImage  # noqa: E402
from model_runtime.loading import LoadSpec  # noqa: E402
from model_runtime.requests import GenerateImage  # noqa: E402
from senses_training import paths  # noqa: E402
from senses_training.painter import prompts  # noqa: E402
from senses_training.painter.sheet import sheet  # noqa: E402
from starter_world import grammar, scenes  # noqa: E402
from starter_world.grammar import Scene  # noqa: E402
from starter_world.judge import Verdict, judge  # noqa: E402
from starter_world.scenes import SIDE  # noqa: E402

SHEET = paths.SHEETS / "image-starter.png"
SEED = 2026
KINDS = {"single": (1, 0, 0, 0), "pair": (0, 1, 0, 0), "counted": (0, 0, 1, 0), "triple": (0, 0, 0, 1)}
COUNTS = {"single": 200, "pair": 200, "counted": 40, "triple": 20}
QUESTION = "Describe this image."
Request = tuple[Scene, str, int]
"""What to draw, the prompt for it and a seed."""

SHOWN = {"single": 14, "pair": 16, "counted": 6, "triple": 4}


class Studio:
    """The starter behind the engine that serves it."""

    def __init__(self, folder: Path) -> None:
        self._engine, begun = ImageEngine(), time.process_time()
        options: dict[str, str | int | float | bool] = {"family": "flux2-klein", "native_side": SIDE}
        self._engine.load(LoadSpec(folder.name, "mflux", {"model": str(folder)}, options), lambda *_: None)
        self.load_seconds = time.process_time() - begun

    def draw(self, prompt: str, seed: int) -> bytes:
        """Return a PNG."""
        *_, drawing = self._engine.run(GenerateImage("", prompt, SIDE, SIDE, seed=seed), lambda: None)
        assert isinstance(drawing, GeneratedImage)
        return drawing.png


@dataclass(frozen=True, slots=True)
class Trial:
    """One prompt, the picture that came of it, and what the judge and the vision starter say."""

    scene: Scene
    prompt: str
    image: Image.Image
    verdict: Verdict
    caption: str
    seconds: float

    @property
    def read(self) -> bool:
        """Whether the vision starter's caption means the scene, as far as its captions go."""
        seen = grammar.parse(self.caption)
        return seen is not None and grammar.means(seen, sayable(self.scene))


def sayable(scene: Scene) -> Scene:
    """Return what the vision starter's captions say of a scene: of several, no background, and sizes that differ."""
    if not scene.relation:
        return scene
    differ = {thing.size for thing in scene.things} == set(grammar.SIZES)
    things = scene.things if differ else tuple(replace(thing, size="") for thing in scene.things)
    return replace(scene, things=things, background="")


def asked(kind: str, count: int) -> Iterator[Request]:
    """Give held-out scenes of a kind, each with a prompt and a seed."""
    rng = random.Random(f"{SEED} {kind}")
    for scene, _ in zip(scenes.scenes(rng, held_out=True, kinds=KINDS[kind]), range(count), strict=False):
        yield scene, prompts.prompt(rng, scene), rng.randrange(2**32)


class Bench:
    """What one process needs to try prompts; each loads the models once."""

    studio: Studio
    viewer: Any = None

    @classmethod
    def open(cls, starter: Path, vision: Path | None) -> None:
        """Load the painter, and a vision starter where its captions are wanted."""
        cls.studio = Studio(starter)
        if vision:
            from senses_training.vision.score import Viewer

            cls.viewer = Viewer(vision)


def attempt(request: Request) -> Trial:
    """Draw one prompt and look at it."""
    scene, prompt, seed = request
    begun = time.process_time()
    png = Bench.studio.draw(prompt, seed)
    seconds = time.process_time() - begun
    with Image.open(io.BytesIO(png)) as image:
        image.load()
    caption = Bench.viewer.answer(image, QUESTION) if Bench.viewer else ""
    return Trial(scene, prompt, image, judge(scene, image), caption, seconds)


def score(trials: Sequence[Trial], *, captioned: bool) -> dict[str, Any]:
    """Return percentages of one kind."""

    def percent(values: Sequence[bool]) -> float:
        return round(100 * statistics.fmean(values), 1)

    verdicts = [trial.verdict for trial in trials]
    parts = {name: percent([asdict(verdict)[name] for verdict in verdicts]) for name in asdict(verdicts[0])}
    read = {"right by vlm-starter": percent([trial.read for trial in trials])} if captioned else {}
    wrong = [f"{trial.prompt} | {trial.caption}".strip(" |") for trial in trials if not trial.verdict.right]
    return {
        "prompts": len(trials),
        "right": percent([verdict.right for verdict in verdicts]),
        **read,
        **parts,
        "wrong": wrong,
    }


def digest(folder: Path) -> str:
    """Return a short name of the weights."""
    parts = sorted(folder.glob("*/*.safetensors"))
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:12]


def main() -> None:
    """Draw, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starter", type=Path, default=paths.IMAGE)
    parser.add_argument("--results", type=Path, help="default: scores.json in the starter's folder")
    parser.add_argument("--sheet", type=Path, default=SHEET)
    parser.add_argument("--share", type=float, default=1.0, help="of the prompts, for a quick look")
    parser.add_argument("--captions", nargs="?", type=Path, const=paths.VLM, help="read by this vision starter, too")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    opening = (arguments.starter, arguments.captions)
    Bench.open(*opening)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, spawn, Bench.open, opening) as pool:
        trials = {
            kind: list(pool.map(attempt, asked(kind, round(count * arguments.share)))) for kind, count in COUNTS.items()
        }
    every = [trial for group in trials.values() for trial in group]
    report = {
        "seed": SEED,
        "weights": digest(arguments.starter),
        "load seconds": round(Bench.studio.load_seconds, 2),
        "seconds an image": round(statistics.median(trial.seconds for trial in every), 2),
        **{kind: score(group, captioned=bool(arguments.captions)) for kind, group in trials.items()},
    }
    text = json.dumps(report, indent=1)
    (arguments.results or arguments.starter / "scores.json").write_text(text + "\n", encoding="utf-8")
    shown = [trial for kind, group in trials.items() for trial in group[: SHOWN[kind]]]
    sheet([(trial.image, trial.prompt, trial.verdict.right) for trial in shown]).save(arguments.sheet)
    print(text)


if __name__ == "__main__":
    main()
