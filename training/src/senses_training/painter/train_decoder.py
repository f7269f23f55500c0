"""Sharpen the decoder while the encoder stays as it is.

`python -m senses_training.painter.train_decoder FOLDER --minutes 20`.

Half of each batch are latents with a little noise. Where FOLDER holds a painter, the other half are what it makes of
them at the last noise level, which is what it will hand over; so the decoder learns to read the painter's own hand.
Writes FOLDER/decoder.pt.
"""

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from senses_training.painter import code, sample, train_vae
from senses_training.painter.flow import Painter
from senses_training.painter.sample import EPS
from senses_training.painter.shapes import TOKENS_ACROSS
from senses_training.painter.train_vae import loss, pixels, quality, schedule
from senses_training.painter.vae import Encoder, pack, unpack
from starter_world import scenes

RATE = 1e-3
BATCH = 16
NOISE = 0.15
REFRESH_STEPS = 200


class Hand:
    """The painter's last step, as it is now."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "flow.pt"
        self._painter = Painter().eval()
        self.refresh()

    def refresh(self) -> None:
        """Take in the newest weights."""
        flow = torch.load(self._path, weights_only=True)
        self._painter.load_state_dict(flow["average"])
        self._mean, self._spread = flow["mean"], (flow["variance"] + EPS).sqrt()

    def redraw(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Return what the painter sees in latents at the last noise level, batch x CHANNELS x h x w."""
        clean = (pack(latents) - self._mean) / self._spread
        sigma = sample.sigmas()[-2]
        noisy = (1 - sigma) * clean + sigma * torch.randn_like(clean)
        seen = noisy - sigma * self._painter(noisy, codes, sigma.expand(len(clean)))
        return unpack(seen * self._spread + self._mean, TOKENS_ACROSS)


def train(folder: Path, minutes: float, seed: int, log: Callable[[str], None] = print) -> None:
    """Train on and write `decoder.pt`."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    stream = scenes.scenes(rng, held_out=False)
    encoder, decoder = train_vae.load(folder)
    if (folder / "decoder.pt").exists():
        decoder.load_state_dict(torch.load(folder / "decoder.pt", weights_only=True))
    hand = Hand(folder) if (folder / "flow.pt").exists() else None
    optimizer = torch.optim.Adam(decoder.parameters(), RATE, betas=(0.9, 0.98))
    start, step, recent = time.monotonic(), 0, []
    while (share := (time.monotonic() - start) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = RATE * schedule(share, step)
        asked = [next(stream) for _ in range(BATCH)]
        target = pixels(scenes.picture(scene, rng) for scene in asked)
        latents = _latents(encoder, target, hand, code.write_all(asked))
        with torch.autocast("cpu", torch.bfloat16):
            drawn = decoder(latents.contiguous(memory_format=torch.channels_last))
        drawn = drawn.float()
        optimizer.zero_grad()
        loss(drawn, target).backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        step += 1
        half = BATCH // 2
        recent.append((quality(drawn[:half].detach(), target[:half]), quality(drawn[half:].detach(), target[half:])))
        if step % 50 == 0:
            first, second = (sum(column) / len(recent) for column in zip(*recent, strict=True))
            log(f"{step} {share:.2f} noisy {first:.2f} dB, {'painter' if hand else 'noisy'} {second:.2f} dB")
            recent = []
            torch.save(decoder.state_dict(), folder / "decoder.pt")
        if hand and step % REFRESH_STEPS == 0:
            hand.refresh()
    torch.save(decoder.state_dict(), folder / "decoder.pt")


@torch.no_grad()
def _latents(encoder: Encoder, target: Tensor, hand: Hand | None, codes: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        latents = encoder(target).float()
        noise = torch.rand(BATCH, 1, 1, 1) * NOISE * torch.randn_like(latents)
        noisy: Tensor = latents + noise * latents.std(dim=(0, 2, 3), keepdim=True)
        if hand:
            half = BATCH // 2
            noisy[half:] = hand.redraw(latents[half:], codes[half:])
    return noisy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed, lambda line: print(line, flush=True))
