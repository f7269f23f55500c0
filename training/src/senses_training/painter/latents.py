"""Draw scenes and keep what the encoder makes of them.

`python -m senses_training.painter.latents FOLDER --pictures 40000`.

Files `latents-NN.pt` appear one after the other; the painter trains on those that are there.
"""

import argparse
import random
from pathlib import Path

import torch
from torch import Tensor

from senses_training.painter import code, train_vae
from senses_training.painter.train_vae import pixels
from senses_training.painter.vae import Encoder, pack
from starter_world import scenes

SHARD = 2500
BATCH = 50


@torch.no_grad()
def shard(encoder: Encoder, seed: int) -> dict[str, Tensor]:
    """Return the packed latents of `SHARD` pictures, as 16-bit floats, and the codes of their scenes, as bytes."""
    rng = random.Random(seed)
    stream = scenes.scenes(rng, held_out=False)
    latents, codes = [], []
    for _ in range(SHARD // BATCH):
        batch = [next(stream) for _ in range(BATCH)]
        with torch.autocast("cpu", torch.bfloat16):
            seen = encoder(pixels(scenes.picture(scene, rng) for scene in batch))
        latents.append(pack(seen.float()).half())
        codes.append(code.write_all(batch).byte())
    return {"latents": torch.cat(latents), "codes": torch.cat(codes)}


def load(folder: Path, known: int = 0) -> list[dict[str, Tensor]]:
    """Read the files beyond the first `known`."""
    return [torch.load(path, weights_only=True) for path in sorted(folder.glob("latents-*.pt"))[known:]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=40_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = train_vae.load(arguments.folder)[0]
    for number in range(arguments.pictures // SHARD):
        draft = arguments.folder / "draft.pt"
        torch.save(shard(encoder, 1000 + number), draft)
        draft.rename(arguments.folder / f"latents-{number:02}.pt")
        print(number, flush=True)
