"""Train the recognition starter: `python -m senses_training.recogniser.train --corpus corpus.npz --folder run`.

One thread, no accelerator. The state is kept every few minutes; the same command goes on from there. Progress is
counted in seconds trained, so the schedule ends on time however busy the machine is.
"""

import argparse
import logging
import math
import random
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from senses_training.recogniser import vocabulary as v
from senses_training.recogniser.channel import Backgrounds
from senses_training.recogniser.corpus import load, speak, unheard
from senses_training.recogniser.network import GUIDED_HEADS, Recogniser, Size
from senses_training.recogniser.spectrogram import MELS
from senses_training.recogniser.speech import Espeak, known_voice
from senses_training.recogniser.windows import FRAMES, Composer, Window

logger = logging.getLogger(__name__)

PEAK_RATE, LAST_RATE, WARM_STEPS = 1.5e-3, 2e-5, 300
BATCH_FRAMES = 9600
WITHOUT_SPEECH, WITH_PROMPT, GUIDANCE = 0.17, 0.2, 0.5
IGNORED = -1
SURE = 0.9
"""How sure the network should be of <|nospeech|>; the rest is spread over what a decoder may pick instead."""

LENGTHS = {
    0.0: {300: 4, 400: 4, 600: 2},
    0.12: {400: 6, 600: 4, 800: 3, 1600: 2, FRAMES: 1},
    0.6: {300: 2, 400: 5, 800: 4, 1600: 4, FRAMES: 3},
    0.85: {400: 3, 800: 4, 1600: 4, FRAMES: 4},
}
"""From which part of the training on how often windows of how many frames are drawn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded windows. `targets` follow `tokens` by one; `spans` are the seconds in which each target is heard."""

    mel: Tensor
    offsets: Tensor
    tokens: Tensor
    targets: Tensor
    spans: Tensor
    silent: Tensor


def collate(windows: Sequence[Window], frames: int, prompts: Sequence[list[int]]) -> Batch:
    """Put windows together, each after its (possibly empty) prompt."""
    longest = max(len(p) + len(w.transcript.tokens) for p, w in zip(prompts, windows, strict=True)) - 1
    mel = torch.zeros(len(windows), MELS, frames)
    tokens = torch.full((len(windows), longest), v.COMPACT[v.END])
    targets = torch.full((len(windows), longest), IGNORED)
    spans = torch.full((len(windows), longest, 2), math.nan)
    for row, (before, window) in enumerate(zip(prompts, windows, strict=True)):
        said = window.transcript.tokens
        place = slice(len(before), len(before) + len(said) - 1)
        mel[row, :, : len(window.mel)] = torch.from_numpy(window.mel.T)
        tokens[row, : place.stop] = torch.tensor([*before, *said[:-1]])
        targets[row, place] = torch.tensor(said[1:])
        spans[row, place] = torch.tensor(window.transcript.heard[1:])
    targets[targets == v.COMPACT[v.NO_TIMES]] = IGNORED
    targets[(tokens == v.COMPACT[v.NO_TIMES]) & (targets == v.COMPACT[v.BLANK])] = IGNORED
    silent = torch.tensor([not window.transcript.speech for window in windows])
    return Batch(mel, torch.tensor([window.offset for window in windows]), tokens, targets, spans, silent)


def draw(composer: Composer, rng: random.Random, frames: int) -> Batch:
    """Draw a batch of windows of one length."""
    count = max(3, BATCH_FRAMES // frames)
    windows = [composer.window(frames, speech=rng.random() > WITHOUT_SPEECH) for _ in range(count)]
    prompted = rng.random() < WITH_PROMPT
    return collate(windows, frames, [composer.prompt(rng.choice((20, 60, 126))) if prompted else [] for _ in windows])


def loss(batch: Batch, logits: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
    """Give the loss of the tokens and the loss of looking elsewhere than where each word is heard."""
    logs = logits.log_softmax(-1)
    nats = F.nll_loss(logs.transpose(1, 2), batch.targets, ignore_index=IGNORED, reduction="none")
    silent = batch.silent[:, None]
    nats = torch.where(silent & (batch.tokens == v.COMPACT[v.START]), _split(logs, v.NO_SPEECH, v.FIRST_TIMES), nats)
    nats = torch.where(silent & (batch.tokens == v.COMPACT[v.NO_TIMES]), _split(logs, v.END, v.WORD_NUMBERS), nats)
    spoken = nats.sum() / (batch.targets != IGNORED).sum()
    return spoken, _astray(batch, attention)


def _split(logs: Tensor, expected: int, others: tuple[int, ...]) -> Tensor:
    return -SURE * logs[..., v.COMPACT[expected]] - (1 - SURE) * logs[..., list(others)].mean(-1)


def _astray(batch: Batch, attention: Tensor) -> Tensor:
    seconds = (batch.offsets[:, None] // 2 + torch.arange(attention.shape[-1])) * 0.02
    inside = (seconds[:, None] >= batch.spans[..., :1]) & (seconds[:, None] <= batch.spans[..., 1:])
    there = (attention[:, list(GUIDED_HEADS)] * inside[:, None]).sum(-1)
    guided = inside.any(-1)[:, None].expand_as(there)
    return -(there + 1e-4).log()[guided].mean() if guided.any() else attention.new_zeros(())


def rate(step: int, part: float) -> float:
    """Give the learning rate: a short rise, a plateau, and a straight line down over the last five eighths."""
    return max(LAST_RATE, PEAK_RATE * min(1, step / WARM_STEPS, 1.6 * (1 - part)))


def frames_for(rng: random.Random, part: float) -> int:
    """Draw a window length for this part of the training."""
    lengths = LENGTHS[max(start for start in LENGTHS if start <= part)]
    return rng.choices(list(lengths), weights=list(lengths.values()))[0]


@torch.no_grad()
def check(network: Recogniser, batches: Sequence[Batch]) -> dict[str, float]:
    """Measure on held-out sentences how often the next word, given the right ones before, and the next time are right.

    Times count as right within a tenth of a second.
    """
    words = times = right_words = right_times = 0
    for batch in batches:
        best = network(batch.mel, batch.offsets, batch.tokens)[0].argmax(-1)
        word = torch.isin(batch.targets, torch.tensor(v.WORD_NUMBERS))
        clock = (batch.targets > max(v.WORD_NUMBERS)) & ~batch.silent[:, None]
        step = torch.tensor(v.TOKENS)
        near = (step[best] - step[batch.targets.clamp(min=0)]).abs() <= 5
        words, right_words = words + int(word.sum()), right_words + int((best == batch.targets)[word].sum())
        times, right_times = times + int(clock.sum()), right_times + int(near[clock].sum())
    return {"words": right_words / words, "times": right_times / times}


class Training:
    """The network, its running mean (which is what gets exported), the optimiser and how far they are."""

    def __init__(self, state_file: Path) -> None:
        self._file = state_file
        self.network = Recogniser(Size())
        self.mean = deepcopy(self.network)
        self._optimiser = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98))
        self.step, self.seconds = 0, 0.0
        if state_file.exists():
            self._resume(torch.load(state_file))

    def learn(self, batch: Batch, part: float) -> tuple[float, float]:
        """Take one step and return the two losses."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate(self.step, part)
        spoken, astray = loss(batch, *self.network(batch.mel, batch.offsets, batch.tokens))
        self._optimiser.zero_grad()
        (spoken + GUIDANCE * astray).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        return spoken.item(), astray.item()

    @torch.no_grad()
    def _follow(self) -> None:
        share = min(0.996, self.step / (self.step + 20))
        for mean, current in zip(self.mean.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(current, 1 - share)

    def save(self) -> None:
        """Keep the state, replacing the file in one step."""
        state = {
            "network": self.network.state_dict(), "mean": self.mean.state_dict(),
            "optimiser": self._optimiser.state_dict(), "step": self.step, "seconds": self.seconds, "tokens": v.TOKENS,
        }  # fmt: skip
        torch.save(state, self._file.with_suffix(".new"))
        self._file.with_suffix(".new").replace(self._file)

    def _resume(self, state: dict[str, Any]) -> None:
        if state["tokens"] != v.TOKENS:
            self._graduate(state["tokens"], state["mean"])
            return
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    @torch.no_grad()
    def _graduate(self, tokens: Sequence[int], learned: dict[str, Tensor]) -> None:
        """Begin again with what was learned in a world of other words: all but the rows of tokens that are new."""
        name = "decoder.token_embedding.weight"
        table = self.network.decoder.token_embedding.weight.clone()
        for row, token in zip(learned[name], tokens, strict=True):
            if token in v.COMPACT:
                table[v.COMPACT[token]] = row
        for network in (self.network, self.mean):
            network.load_state_dict({**learned, name: table})


def train(training: Training, composer: Composer, checks: Sequence[Batch], budget: float) -> None:
    """Train until `budget` seconds are used up, keeping the state every three minutes."""
    rng = random.Random(training.step)
    kept = training.seconds
    while training.seconds < budget:
        begun, part = time.monotonic(), training.seconds / budget
        frames = frames_for(rng, part)
        spoken, astray = training.learn(draw(composer, rng, frames), part)
        if training.step % 50 == 0:
            logger.info("%5d %5.0f s %4d frames loss %.3f astray %.3f", training.step, training.seconds, frames, spoken,
                        astray)  # fmt: skip
        if training.step % 500 == 0:
            right = check(training.mean, checks)
            logger.info("%5d right: words %.2f %%, times %.2f %%", training.step, 100 * right["words"],
                        100 * right["times"])  # fmt: skip
        training.seconds += time.monotonic() - begun
        if training.seconds - kept > 180:
            training.save()
            kept = training.seconds
    training.save()


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, nargs="+", help="one may be named several times")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    asked.folder.mkdir(parents=True, exist_ok=True)
    backgrounds = Backgrounds.make(np.random.default_rng(asked.seed), each=5, seconds=60)
    rng = random.Random(2)
    held_out = list(speak(Espeak(), rng, unheard(rng, 120), known_voice))
    unseen = Composer(held_out, backgrounds, seed=2)
    checks = [draw(unseen, random.Random(number), frames) for number, frames in enumerate((600, 600, 1600, FRAMES))]
    training = Training(asked.folder / "state.pt")
    lessons = [one for path in asked.corpus for one in load(path)]
    composer = Composer(lessons, backgrounds, seed=asked.seed + training.step)
    train(training, composer, checks, asked.minutes * 60)


if __name__ == "__main__":
    main()
