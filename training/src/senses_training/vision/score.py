"""Score the exported starter through Senses' own engine on pictures, sentences and fonts that training never saw.

`python -m senses_training.vision.score --fonts /usr/share/fonts` writes `scores.json` beside the model's card and
`training/sheets/vlm-starter.png`. Seconds are of one processor's time, so that a busy machine does not count.
"""

import argparse
import hashlib
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

from model_runtime.engines.vision.model import VisionEngine  # noqa: E402
from model_runtime.events import ChatResult  # noqa: E402
from model_runtime.loading import LoadSpec  # noqa: E402
from model_runtime.media import types  # noqa: E402
from model_runtime.requests import Chat, Message  # noqa: E402
from senses_training import paths  # noqa: E402
from senses_training.vision.album import KINDS, MIXES, drawn  # noqa: E402
from senses_training.vision.pictures import Picture  # noqa: E402
from senses_training.vision.prints import find_fonts, unseen_words, word, world_words_printed  # noqa: E402
from senses_training.vision.questions import Question, caption, question, reading  # noqa: E402
from senses_training.vision.reserve import NoDrawError, Split  # noqa: E402
from senses_training.vision.sheet import sheet  # noqa: E402

SHEET = paths.SHEETS / "vlm-starter.png"
SEEDS = (2026, 2027)
QUESTIONS = 3  # for each picture, beside its caption
WORDS = 150  # of each kind, printed and read
ANSWER_TOKENS = 60


class Viewer:
    """The starter behind the engine that serves it."""

    def __init__(self, folder: Path) -> None:
        self._engine, begun = VisionEngine(), time.process_time()
        self._engine.load(LoadSpec(folder.name, "mlx-vlm", {"model": str(folder)}, {}), lambda *_: None)
        self.load_seconds = time.process_time() - begun

    def answer(self, image: Image.Image, text: str) -> str:
        """Ask about a picture."""
        shown = types.ImageData(*image.size, image.convert("RGB").tobytes())
        self._engine.submit(0, Chat("", (Message("user", (shown, text)),), max_tokens=ANSWER_TOKENS))
        while True:
            for _, outcome in self._engine.step():
                if isinstance(outcome, Exception):
                    raise outcome
                if isinstance(outcome, ChatResult):
                    return outcome.text


@dataclass(frozen=True, slots=True)
class Trial:
    """One question put to the model, and what it said."""

    shown: Picture
    asked: Question
    said: str
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether every character is right."""
        return self.said == self.asked.answer


def attempt(viewer: Viewer, shown: Picture, asked: Question) -> Trial:
    """Put one question."""
    begun = time.process_time()
    said = viewer.answer(shown.image, asked.text)
    return Trial(shown, asked, said, time.process_time() - begun)


def trials(viewer: Viewer, fonts: Sequence[str], seed: int) -> list[Trial]:
    """Show 300 scoring pictures and ask for each its caption and a few questions."""
    rng = random.Random(seed)
    kinds = [kind for kind, count in zip(KINDS, MIXES[Split.SCORING], strict=True) for _ in range(count)]
    rng.shuffle(kinds)
    pictures = [drawn(rng, Split.SCORING, fonts, kind) for kind in kinds]
    return [
        attempt(viewer, shown, asked)
        for shown in pictures
        for asked in (caption(rng, shown), *(question(rng, shown) for _ in range(QUESTIONS)))
    ]


def readings(viewer: Viewer, fonts: Sequence[str], seed: int, words: Sequence[str]) -> list[Trial]:
    """Print words in scoring fonts, and have them read."""
    rng = random.Random(seed)
    return [attempt(viewer, shown, reading(rng, shown)) for shown in _printed(rng, fonts, words)]


def _printed(rng: random.Random, fonts: Sequence[str], words: Sequence[str]) -> Iterator[Picture]:
    waiting = list(words)
    rng.shuffle(waiting)
    waiting = (waiting * (WORDS // len(waiting) + 1))[:WORDS]
    while waiting:
        try:
            yield word(rng, Split.SCORING, fonts, waiting[-1])
        except NoDrawError:
            continue
        waiting.pop()


# --- summing up ----------------------------------------------------------------------------------------------------


def character_errors(printed: str, read: str) -> int:
    """Count the characters to replace, add or drop to get from one to the other."""
    row = list(range(len(read) + 1))
    for at, letter in enumerate(printed, 1):
        last, row[0] = row[0], at
        for other_at, other in enumerate(read, 1):
            last, row[other_at] = row[other_at], min(row[other_at] + 1, row[other_at - 1] + 1, last + (letter != other))
    return row[-1]


def read_well(some: Sequence[Trial]) -> dict[str, float | int]:
    """Give the character error rate and how many words are wholly right."""
    errors = sum(character_errors(trial.asked.answer, trial.said) for trial in some)
    characters = sum(len(trial.asked.answer) for trial in some)
    return {"character_error_rate": round(errors / characters, 4)} | share(some)


def share(some: Sequence[Trial]) -> dict[str, float | int]:
    """Count the exact answers."""
    exact = sum(trial.exact for trial in some)
    return {"exact": exact, "of": len(some), "share": round(exact / len(some), 4)}


def shares(some: Sequence[Trial], key: Callable[[Trial], str]) -> dict[str, dict[str, float | int]]:
    """Count the exact answers of each group."""
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in some:
        groups[key(trial)].append(trial)
    return {name: share(groups[name]) for name in sorted(groups)}


def report(done: Sequence[Trial], read: dict[str, list[Trial]]) -> dict[str, object]:
    """Sum up the trials of one seed."""
    captions = [trial for trial in done if trial.asked.kind == "caption"]
    questions = [trial for trial in done if trial.asked.kind != "caption"]
    seconds = sorted(trial.seconds for trial in done)
    everything = [*done, *(trial for some in read.values() for trial in some)]
    return {
        "captions": share(captions) | {"by_picture": shares(captions, lambda trial: trial.shown.kind)},
        "questions": share(questions) | {"by_kind": shares(questions, lambda trial: trial.asked.kind)},
        "printed_words": {name: read_well(some) for name, some in read.items()},
        "seconds_per_answer": {
            "median": round(statistics.median(seconds), 3),
            "p95": round(seconds[int(len(seconds) * 0.95)], 3),
        },
        "wrong": [
            {"asked": trial.asked.text, "right": trial.asked.answer, "said": trial.said, "picture": trial.shown.caption}
            for trial in everything
            if not trial.exact
        ],
    }


def main() -> None:
    """Score from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.VLM)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="a folder of .ttf and .otf files")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--sheet", type=Path, default=SHEET)
    options = parser.parse_args()
    fonts, viewer = find_fonts(options.fonts, Split.SCORING), Viewer(options.model)
    printed = {"of_the_world": world_words_printed(), **unseen_words()}
    weights = (options.model / "model.safetensors").read_bytes()
    summary: dict[str, object] = {
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "load_seconds": round(viewer.load_seconds, 3),
    }
    for seed in options.seeds:
        done = trials(viewer, fonts, seed)
        if seed == options.seeds[0]:
            captions = [(trial.shown.image, trial.said, trial.exact) for trial in done if trial.asked.kind == "caption"]
            sheet(captions).quantize(96).save(options.sheet, optimize=True)
        read = {name: readings(viewer, fonts, seed, words) for name, words in printed.items()}
        summary[f"seed_{seed}"] = report(done, read)
    (options.model / "scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
