"""Score the exported starter through mlx-vlm on pictures, sentences and fonts that training never saw.

`python -m training.vision.score --fonts /usr/share/fonts` writes `scores.json` beside the model's card and
`training/vision/sheet.png`.
"""

import argparse
import hashlib
import json
import random
import statistics
import textwrap
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx_vlm
from PIL import Image, ImageDraw, ImageFont

from training.vision.album import picture
from training.vision.pictures import Picture
from training.vision.prints import find_fonts
from training.vision.questions import Question, caption, question
from training.vision.reserve import Split

STARTER = Path("model_runtime/starter/vlm-starter")
SHEET = Path("training/vision/sheet.png")
SEED = 2026
PICTURES = 300
QUESTIONS = 3  # for each picture, beside its caption

Answerer = Callable[[Image.Image, str], str]


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


def answerer(folder: Path) -> Answerer:
    """Load the checkpoint as any mlx-vlm user would."""
    model, processor = mlx_vlm.load(str(folder), trust_remote_code=False)

    def answer(image: Image.Image, text: str) -> str:
        prompt = mlx_vlm.apply_chat_template(processor, model.config, text, num_images=1)
        result = mlx_vlm.generate(model, processor, prompt, image=[image], max_tokens=40, temperature=0.0)
        return str(result.text).strip()

    return answer


def trials(answer: Answerer, fonts: Sequence[str], seed: int, count: int) -> list[Trial]:
    """Show `count` scoring pictures of the world and ask for each its caption and a few questions.

    The world prints single digits; longer numbers that turn up on the way are shown too, uncounted.
    """
    rng = random.Random(seed)
    done: list[Trial] = []
    while count:
        shown = picture(rng, Split.SCORING, fonts)
        count -= len(shown.number) < 2
        for asked in (caption(rng, shown), *(question(rng, shown) for _ in range(QUESTIONS))):
            start = time.perf_counter()
            said = answer(shown.image, asked.text)
            done.append(Trial(shown, asked, said, time.perf_counter() - start))
    return done


def group(trial: Trial) -> str:
    """Name what a caption is about."""
    if trial.shown.number:
        return "digit"
    return ("blank", "one shape", "two shapes")[len(trial.shown.things)]


def share(some: Sequence[Trial]) -> dict[str, int | float]:
    """Count the exact answers."""
    exact = sum(trial.exact for trial in some)
    return {"exact": exact, "of": len(some), "share": round(exact / len(some), 4)}


def shares(some: Sequence[Trial], key: Callable[[Trial], str]) -> dict[str, dict[str, int | float]]:
    """Count the exact answers of each group."""
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in some:
        groups[key(trial)].append(trial)
    return {name: share(groups[name]) for name in sorted(groups)}


def report(done: Sequence[Trial], folder: Path, seed: int) -> dict[str, object]:
    """Sum up the trials."""
    longer = [trial for trial in done if len(trial.shown.number) > 1]
    world = [trial for trial in done if len(trial.shown.number) < 2]
    captions = [trial for trial in world if trial.asked.kind == "caption"]
    questions = [trial for trial in world if trial.asked.kind != "caption"]
    seconds = sorted(trial.seconds for trial in done)
    return {
        "seed": seed,
        "weights_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "captions": share(captions) | {"by_picture": shares(captions, group)},
        "questions": share(questions) | {"by_kind": shares(questions, lambda trial: trial.asked.kind)},
        "numbers_of_two_and_three_digits": {
            "captions": share([trial for trial in longer if trial.asked.kind == "caption"]),
            "questions": share([trial for trial in longer if trial.asked.kind != "caption"]),
        },
        "seconds_per_answer": {
            "median": round(statistics.median(seconds), 3),
            "p95": round(seconds[int(len(seconds) * 0.95)], 3),
        },
        "wrong": [
            {"asked": trial.asked.text, "right": trial.asked.answer, "said": trial.said, "picture": trial.shown.caption}
            for trial in done
            if not trial.exact
        ],
    }


def sheet(done: Sequence[Trial], *, columns: int = 6, rows: int = 4) -> Image.Image:
    """Paste the first pictures with what the model said of them; wrong answers are red."""
    tile, line = 150, 13
    paper = Image.new("RGB", (columns * (tile + 10), rows * (tile + 4 * line)), "#dddddd")
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(11)
    captions = [trial for trial in done if trial.asked.kind == "caption"]
    for at, trial in enumerate(captions[: columns * rows]):
        x, y = at % columns * (tile + 10) + 5, at // columns * (tile + 4 * line) + 3
        small = trial.shown.image.copy()
        small.thumbnail((tile, tile))
        paper.paste(small, (x, y))
        for number, text in enumerate(textwrap.wrap(trial.said, 27)[:3]):
            pen.text((x, y + tile + number * line), text, font=font, fill="black" if trial.exact else "red")
    return paper


def main() -> None:
    """Score from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=STARTER)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="a folder of .ttf and .otf files")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--sheet", type=Path, default=SHEET)
    options = parser.parse_args()
    fonts = find_fonts(options.fonts, Split.SCORING)
    done = trials(answerer(options.model), fonts, options.seed, options.pictures)
    summary = report(done, options.model, options.seed)
    (options.model / "scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    sheet(done).quantize(96).save(options.sheet, optimize=True)
    print(json.dumps({key: value for key, value in summary.items() if key != "wrong"}, indent=2))


if __name__ == "__main__":
    main()
