"""Train the vision starter: `python -m senses_training.vision.train --minutes 105`.

One thread, resumable: the state is written every few minutes and an interrupted run goes on where it was. Progress is
counted in minutes of training, which also set the learning rate, so a slower machine trains less rather than longer.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

from senses_training.vision import tokenizer as tokenizers
from senses_training.vision.album import SPELLING, picture
from senses_training.vision.batches import Packer, show
from senses_training.vision.glance import Glance
from senses_training.vision.network import Batch, QwenVL, Shape
from senses_training.vision.prints import find_fonts
from senses_training.vision.questions import text_corpus
from senses_training.vision.reserve import Split

PEAK_RATE = 1.4e-3
WARM_UP_STEPS = 150
BATCH = 32
VALIDATION_SEED = 77
SAVE_SECONDS = 150
LOOK_ONLY = 0.07  # the share of the time spent on looking alone
LOOK_WEIGHT = 0.3
SPELLING_UNTIL = 0.96
"""Until then every fourth step is spent on looking at words alone: letters take longest to learn, and looking is cheap."""

Judged = tuple[Batch, list[str]]  # one picture's batch and the kinds of its questions


def rate(progress: float, step: int) -> float:
    """Warm up, hold, and fall to nothing over the last quarter."""
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP_STEPS, 4 * (1 - progress) + 0.005)


class Average:
    """A running average of the weights, better than any single step's."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move a little towards the current weights."""
        share = max(0.006, 1 / (step + 10))
        for name, value in model.state_dict().items():
            self.weights[name].lerp_(value, share)


def optimizers(model: QwenVL, glance: Glance) -> list[torch.optim.Optimizer]:
    """Give Muon the inner matrices, AdamW everything else."""
    inner = [value for name, value in model.named_parameters() if value.ndim == 2 and "embed" not in name]
    chosen = {id(value) for value in inner}
    other = [value for value in (*model.parameters(), *glance.parameters()) if id(value) not in chosen]
    return [
        torch.optim.Muon(inner, lr=PEAK_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(other, lr=PEAK_RATE, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]


def validation(packer: Packer, fonts: list[str], count: int) -> list[Judged]:
    """Prepare one batch for each of `count` unseen pictures, with the kinds of their questions."""
    rng = random.Random(VALIDATION_SEED)
    prepared = []
    for _ in range(count):
        shown = picture(rng, Split.SCORING, fonts)
        sample, kinds = packer.branches(rng, shown, 4)
        prepared.append((packer.collate([show(shown)], [sample]), kinds))
    return prepared


@torch.no_grad()
def validate(model: QwenVL, prepared: Sequence[Judged]) -> dict[str, tuple[int, int]]:
    """Count exact answers by kind: an answer is exact when every one of its tokens would have been chosen."""
    counts: dict[str, tuple[int, int]] = {}
    for batch, kinds in prepared:
        right = (model(batch, model.look(batch)).argmax(-1) == batch.targets).tolist()
        at = 0
        for kind in kinds:
            end = at + batch.targets[at:].tolist().index(tokenizers.STOP) + 1
            good, total = counts.get(kind, (0, 0))
            counts[kind] = good + all(right[at:end]), total + 1
            at = end
    return counts


def prepare_tokenizer(folder: Path, fonts: list[str]) -> Tokenizer:
    """Load the run's tokenizer, or learn it from four thousand pictures' texts."""
    path = folder / "tokenizer.json"
    if not path.exists():
        rng = random.Random(0)
        shown = [picture(rng, Split.TRAINING, fonts) for _ in range(4000)]
        tokenizers.train(text_corpus(rng, shown), 1280).save(str(path))
    return Tokenizer.from_file(str(path))


def write_shape(folder: Path, shape: Shape) -> None:
    """Keep the network's sizes with the run."""
    (folder / "shape.json").write_text(json.dumps(asdict(shape)))


class Run:
    """A training run that can be interrupted: everything it needs to go on is in its folder."""

    def __init__(self, folder: Path, shape: Shape, seed: int) -> None:
        torch.manual_seed(seed)
        self.file = folder / "state.pt"
        self.model = QwenVL(shape)
        self.glance = Glance(shape.hidden)
        self.average = Average(self.model)
        self.optimizers = optimizers(self.model, self.glance)
        self.step, self.seconds = 0, 0.0
        self.losses: dict[str, float] = {}

    def load(self) -> None:
        """Go on where the last process stopped, if there was one."""
        if not self.file.exists():
            return
        state = torch.load(self.file)
        self.model.load_state_dict(state["model"])
        self.glance.load_state_dict(state["glance"])
        self.average.weights = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["spent"]

    def save(self) -> None:
        """Replace the saved state in one stroke."""
        state = {
            "model": self.model.state_dict(),
            "glance": self.glance.state_dict(),
            "average": self.average.weights,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "spent": self.seconds,
        }
        torch.save(state, part := self.file.with_suffix(".part"))
        part.replace(self.file)

    def learn(self, batch: Batch, learning_rate: float, *, talk: bool) -> None:
        """Take one step in looking, and in talking too if wanted."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        with torch.autocast("cpu", torch.bfloat16):
            features = self.model.look(batch)
            loss = self.glance(features, batch.labels)
            self._note("look" if talk else "look alone", loss)
            if talk:
                spoken = F.cross_entropy(self.model(batch, features).float(), batch.targets)
                self._note("talk", spoken)
                loss = spoken + LOOK_WEIGHT * loss
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.average.update(self.model, self.step)

    def _note(self, name: str, loss: torch.Tensor) -> None:
        self.losses[name] = 0.98 * self.losses.get(name, loss.item()) + 0.02 * loss.item()


def train(run: Run, packer: Packer, fonts: list[str], unseen: Sequence[Judged], seconds: float) -> None:
    """Take steps until `seconds` are used up, telling and saving how it goes."""
    judge = QwenVL(run.model.shape).eval()
    rng = random.Random(f"pictures {run.step}")
    looking, talking = packer.stream(rng, fonts, 2 * BATCH, 1), packer.stream(rng, fonts, BATCH, 3)
    spelling = packer.stream(rng, fonts, BATCH, 1, SPELLING)
    last, saved = time.monotonic(), run.seconds
    while run.seconds < seconds:
        progress = run.seconds / seconds
        spell = LOOK_ONLY <= progress < SPELLING_UNTIL and run.step % 4 == 1
        talk = progress >= LOOK_ONLY and not spell
        batch = next(spelling if spell else talking if talk else looking)
        run.learn(batch, rate(progress, run.step), talk=talk)
        now = time.monotonic()
        run.seconds, last = run.seconds + now - last, now
        if run.step % 25 == 0:
            losses = ", ".join(f"{name} {loss:.4f}" for name, loss in run.losses.items())
            print(f"step {run.step}, {run.seconds / 60:.1f} min, {losses}", flush=True)
        if progress >= LOOK_ONLY and run.step % 400 == 0:
            judge.load_state_dict(run.average.weights)
            counts = validate(judge, unseen)
            print(*(f"{kind} {good}/{total}" for kind, (good, total) in sorted(counts.items())), flush=True)
        if run.seconds - saved > SAVE_SECONDS:
            saved = run.seconds
            run.save()
    run.save()


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("build/vision"), help="where the state of the run is kept")
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="a folder of .ttf and .otf files")
    parser.add_argument("--minutes", type=float, default=105)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run.mkdir(parents=True, exist_ok=True)
    fonts = find_fonts(options.fonts, Split.TRAINING)
    tokenizer = prepare_tokenizer(options.run, fonts)
    packer, shape = Packer(tokenizer), Shape(tokenizer.get_vocab_size())
    write_shape(options.run, shape)
    run = Run(options.run, shape, options.seed)
    run.load()
    unseen = validation(packer, find_fonts(options.fonts, Split.SCORING), 200)
    train(run, packer, fonts, unseen, options.minutes * 60)


if __name__ == "__main__":
    main()
