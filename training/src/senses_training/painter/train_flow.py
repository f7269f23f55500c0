"""Train the painter on cached latents.

`python -m senses_training.painter.train_flow FOLDER --minutes 80` writes FOLDER/flow.pt.

Flow matching: x = (1 - sigma) * clean + sigma * noise moves with noise - clean (Lipman et al. 2023, as FLUX does).
FLUX.2-klein draws in four steps, so that mostly their four noise levels are trained; the last step, from 0.70 to clean,
decides how sharp a picture is, and gets the largest share.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from senses_training.painter import latents, sample
from senses_training.painter.flow import DEPTH, Painter
from senses_training.painter.sample import EPS

RATE = 1.5e-3
WARM_STEPS = 150
BATCH = 64
SHARES = (0.12, 0.10, 0.18, 0.50, 0.10)
"""How often each of the four noise levels is trained, and last any level."""
AVERAGE = 0.999
CODE_NOISE = 0.015
"""The text encoder's own error."""
FALL = 0.6
"""Share of the time over which the rate falls to nothing."""


class Pairs:
    """Latents and codes, as many as there are yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards = latents.load(folder)
        first = self._shards[0]["latents"].float()
        self.mean, self.variance = first.mean((0, 1)), first.var((0, 1))
        self._join()

    def refresh(self) -> None:
        """Take in new files."""
        if new := latents.load(self._folder, len(self._shards)):
            self._shards += new
            self._join()

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Return clean normalised latents and noisy codes."""
        chosen = torch.randint(0, len(self.clean), (count,))
        clean = (self.clean[chosen].float() - self.mean) / (self.variance + EPS).sqrt()
        codes = self.codes[chosen].float()
        return clean, codes + CODE_NOISE * torch.randn_like(codes)

    def _join(self) -> None:
        self.clean = torch.cat([shard["latents"] for shard in self._shards])
        self.codes = torch.cat([shard["codes"] for shard in self._shards])


def levels(count: int) -> tuple[Tensor, Tensor]:
    """Draw noise levels; also return which of `SHARES` each belongs to."""
    which = torch.multinomial(torch.tensor(SHARES), count, replacement=True)
    anywhere = torch.sigmoid(torch.randn(count) * 1.2)
    anywhere = 7 * anywhere / (1 + 6 * anywhere)
    return torch.where(which == 4, anywhere, sample.sigmas()[which.clamp(max=3)]), which


def train(folder: Path, minutes: float, seed: int, resume: bool, log: Callable[[str], None] = print) -> None:
    """Train and write `flow.pt` every few minutes: running weights, their average, mean and variance of latents."""
    torch.manual_seed(seed)
    pairs, painter = Pairs(folder), Painter()
    average = [parameter.detach().clone() for parameter in painter.parameters()]
    step = 0
    if resume:
        kept = torch.load(folder / "flow.pt", weights_only=True)
        painter.load_state_dict(kept["running"])
        pairs.mean, pairs.variance, step = kept["mean"], kept["variance"], kept["steps"]
        average = [kept["average"][name].clone() for name, _ in painter.named_parameters()]
    parameters = list(painter.parameters())
    optimizer = torch.optim.AdamW(parameters, RATE, betas=(0.9, 0.98), weight_decay=0.0)
    start, first = time.monotonic(), step
    sums, counts = torch.zeros(5), torch.zeros(5)
    while (share := (time.monotonic() - start) / 60 / minutes) < 1:
        warm = min(1.0, (step - first + 1) / WARM_STEPS)
        optimizer.param_groups[0]["lr"] = RATE * warm * max(0.01, min(1.0, (1 - share) / FALL))
        clean, codes = pairs.draw(BATCH)
        sigma, which = levels(BATCH)
        noise, amount = torch.randn(BATCH, clean.shape[1], DEPTH), sigma[:, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            moving = painter((1 - amount) * clean + amount * noise, codes, sigma)
        off = (moving - (noise - clean)).square().mean((1, 2))
        optimizer.zero_grad()
        off.mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        torch._foreach_lerp_(average, [one.detach() for one in parameters], 1 - min(AVERAGE, (1 + step) / (20 + step)))
        sums.index_add_(0, which, off.detach())
        counts.index_add_(0, which, torch.ones(BATCH))
        if step % 50 == 0:
            log(f"{step} {share:.3f} " + " ".join(f"{value:.4f}" for value in (sums / counts.clamp_min(1)).tolist()))
            sums, counts = torch.zeros(5), torch.zeros(5)
            pairs.refresh()
        if step % 200 == 0:
            save(folder, painter, average, pairs, step)
    save(folder, painter, average, pairs, step)


def save(folder: Path, painter: Painter, average: list[Tensor], pairs: Pairs, step: int) -> None:
    """Write `flow.pt`, never half."""
    names = [name for name, _ in painter.named_parameters()]
    kept = {"running": painter.state_dict(), "average": dict(zip(names, average, strict=True)), "steps": step}
    torch.save(kept | {"mean": pairs.mean, "variance": pairs.variance}, folder / "flow-draft.pt")
    (folder / "flow-draft.pt").rename(folder / "flow.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed, arguments.resume, lambda line: print(line, flush=True))
