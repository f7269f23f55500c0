"""Train the picture coder: `python -m senses_training.painter.train_vae FOLDER --minutes 20` writes FOLDER/vae.pt.

The first part of the time goes to crops around edges, which hold all there is to learn; the rest to whole pictures.
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from senses_training.painter.shapes import CHANNELS
from senses_training.painter.vae import Decoder, Encoder
from starter_world import scenes
from starter_world.grammar import Scene

RATE = 2e-3
CROP = 64
CROPS_SHARE = 0.5
BATCH = 16
JITTER = 3.0
"""Pictures wander more than the painter's, so that no edge always falls on the same pixels."""
NOISE = 0.2
"""Most noise added to latents, in their own spread: the painter will not hit them exactly."""
EDGE_WEIGHT = 5.0


def pixels(pictures: Iterable[Image.Image | np.ndarray]) -> Tensor:
    """Stack pictures, or height x width x 3 bytes, to batch x 3 x height x width in -1..1, channels last."""
    batch = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
    return batch.float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def edges(target: Tensor) -> Tensor:
    """Mark pixels within two of an edge, batch x 1 x height x width."""
    steep = functional.pad(_slope(target, 3), (0, 1)) + functional.pad(_slope(target, 2), (0, 0, 0, 1))
    near: Tensor = functional.max_pool2d((steep > 0.1).float(), 5, stride=1, padding=2)
    return near


def loss(drawn: Tensor, target: Tensor) -> Tensor:
    """Absolute and squared differences, weighted at edges, and differences of slopes."""
    off = drawn - target
    weight = 1 + EDGE_WEIGHT * edges(target)
    weight = weight / weight.mean()
    level = (weight * (off.abs() + 2 * off.square())).mean()
    slopes = (off[..., 1:] - off[..., :-1]).abs().mean() + (off[..., 1:, :] - off[..., :-1, :]).abs().mean()
    return level + slopes


def quality(drawn: Tensor, target: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    return 10 * math.log10(4 / float((drawn - target).square().mean()))


def schedule(share: float, step: int) -> float:
    """Warm up over 50 steps, then fall to nothing over the last two thirds of the time."""
    return min(1.0, (step + 1) / 50) * max(0.01, min(1.0, 1.5 * (1 - share)))


def whole(rng: random.Random, stream: Iterable[Scene], count: int) -> list[np.ndarray]:
    """Draw pictures."""
    return [
        np.asarray(scenes.picture(scene, rng, jitter=JITTER)) for scene, _ in zip(stream, range(count), strict=False)
    ]


def crops(rng: random.Random, stream: Iterable[Scene], count: int) -> list[np.ndarray]:
    """Cut squares of `CROP` pixels out of pictures, where there is more to see."""
    return [_crop(rng, picture) for picture in whole(rng, stream, count)]


def _crop(rng: random.Random, picture: np.ndarray) -> np.ndarray:
    room = picture.shape[0] - CROP
    tries = [(rng.randint(0, room), rng.randint(0, room)) for _ in range(3)]
    cut = [picture[y : y + CROP, x : x + CROP] for y, x in tries]
    return max(cut, key=lambda piece: float(piece.std()))


def _slope(target: Tensor, axis: int) -> Tensor:
    return target.diff(dim=axis).abs().amax(1, keepdim=True)


def train(folder: Path, minutes: float, seed: int, log: Callable[[str], None] = print) -> None:
    """Train from nothing and write `vae.pt` with both halves."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    stream = scenes.scenes(rng, held_out=False)
    encoder = Encoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # untyped keyword
    decoder = Decoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE, betas=(0.9, 0.98))
    start, step, recent = time.monotonic(), 0, []
    while (share := (time.monotonic() - start) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = RATE * schedule(share, step)
        cropped = share < CROPS_SHARE
        target = pixels((crops if cropped else whole)(rng, stream, 2 * BATCH if cropped else BATCH))
        with torch.autocast("cpu", torch.bfloat16):
            latents = encoder(target).float()
            spread = latents.std(dim=(0, 2, 3), keepdim=True).detach() + 0.02
            noise = torch.rand(len(latents), 1, 1, 1) * NOISE * torch.randn_like(latents)
            drawn = decoder(latents + spread * noise)
        drawn = drawn.float()
        far = (latents.square().mean(dim=(0, 2, 3)) - 1).relu().mean()
        optimizer.zero_grad()
        (loss(drawn, target) + 1e-3 * far).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        recent.append(quality(drawn.detach(), target))
        if step % 50 == 0:
            log(
                f"{step} {share:.2f} {'crops' if cropped else 'whole'} {sum(recent) / len(recent):.2f} dB {CHANNELS} channels {float(spread.mean()):.2f}"
            )
            recent = []
            save(folder, encoder, decoder)
    save(folder, encoder, decoder)


def save(folder: Path, encoder: Encoder, decoder: Decoder) -> None:
    """Write both halves."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"encoder": encoder.state_dict(), "decoder": decoder.state_dict()}, folder / "vae.pt")


def load(folder: Path) -> tuple[Encoder, Decoder]:
    """Read both halves, ready to use."""
    weights = torch.load(folder / "vae.pt", weights_only=True)
    encoder, decoder = Encoder(), Decoder()
    encoder.load_state_dict(weights["encoder"])
    decoder.load_state_dict(weights["decoder"])
    return encoder.to(memory_format=torch.channels_last), decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed, lambda line: print(line, flush=True))
