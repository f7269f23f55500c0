"""Train the text encoder: `python -m senses_training.painter.train_text FOLDER --minutes 5` writes FOLDER/text.pt.

It learns to write the code of the scene that a prompt asks for at the prompt's slots, and nothing anywhere else.
"""

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from senses_training.painter import code, prompts, tokenizer
from senses_training.painter.shapes import PROMPT_TOKENS, SLOTS
from senses_training.painter.text import TextEncoder
from starter_world import scenes
from starter_world.grammar import Scene

RATE = 2e-3
BATCH = 96
PADS = 3
ELSEWHERE_WEIGHT = 1.0


class Reader:
    """Turns prompts into token numbers as mflux does."""

    def __init__(self, words: Tokenizer) -> None:
        self._words = words

    def tokens(self, texts: list[str], pads: int) -> tuple[Tensor, Tensor]:
        """Return batch x tokens, padded by at least `pads`, and the number of real tokens."""
        encoded = [self._words.encode(tokenizer.wrap(text)).ids for text in texts]
        lengths = torch.tensor([len(ids) for ids in encoded])
        tokens = torch.zeros(len(texts), int(lengths.max()) + pads, dtype=torch.long)
        for row, ids in enumerate(encoded):
            tokens[row, : len(ids)] = torch.tensor(ids)
        return tokens, lengths


def slots(written: Tensor, lengths: Tensor) -> Tensor:
    """Cut out what was written at the slots, which end each prompt: batch x len(SLOTS) x width."""
    where = lengths[:, None] - len(SLOTS) + torch.arange(len(SLOTS))
    return written.gather(1, where[..., None].expand(-1, -1, written.shape[-1]))


def target(wanted: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Put codes where the slots are among `count` tokens, nothing elsewhere."""
    full = code.nothing().repeat(len(wanted), count, 1)
    where = lengths[:, None] - len(SLOTS) + torch.arange(len(SLOTS))
    return full.scatter(1, where[..., None].expand(-1, -1, code.WIDTH), wanted)


def train(folder: Path, minutes: float, seed: int, resume: bool, log: Callable[[str], None] = print) -> None:
    """Train, from nothing or further, and write the tokenizer and `text.pt`."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    words = tokenizer.train(seed)
    tokenizer.save(words, folder / "tokenizer")
    reader, encoder = Reader(words), TextEncoder()
    if resume:
        encoder.load_state_dict(torch.load(folder / "text.pt", weights_only=True))
    optimizer = torch.optim.AdamW(encoder.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.0)
    stream = scenes.scenes(rng, held_out=False)
    tests = [next(unseen) for unseen in [scenes.scenes(random.Random(99), held_out=True)] for _ in range(500)]
    start, step = time.monotonic(), 0
    while (share := (time.monotonic() - start) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 100) * max(0.01, min(1.0, 1.6 * (1 - share)))
        asked = [next(stream) for _ in range(BATCH)]
        tokens, lengths = reader.tokens([prompts.prompt(rng, scene) for scene in asked], PADS)
        far = torch.randint(tokens.shape[1] - PADS, PROMPT_TOKENS, (PADS,))
        written = encoder(tokens, lengths, far)[..., : code.WIDTH]
        wanted = code.write_all(asked)
        off = (written - target(wanted, lengths, tokens.shape[1])).square().sum(-1)
        loss = (slots(off[..., None], lengths).mean() + ELSEWHERE_WEIGHT * off.mean()) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            right, furthest = examine(encoder, reader, tests)
            log(f"{step} {share:.2f} loss {loss.item():.5f} held out right {right:.3f} furthest {furthest:.3f}")
    torch.save(encoder.state_dict(), folder / "text.pt")


@torch.no_grad()
def examine(encoder: TextEncoder, reader: Reader, tests: list[Scene]) -> tuple[float, float]:
    """Return the share of held-out prompts read right, and the 99th percentile of their largest error."""
    rng = random.Random(7)
    tokens, lengths = reader.tokens([prompts.prompt(rng, scene) for scene in tests], PADS)
    read, wanted = slots(encoder(tokens, lengths), lengths)[..., : code.WIDTH], code.write_all(tests)
    worst = (read - wanted).abs().flatten(1).amax(1)
    return float(code.agrees(read, wanted).float().mean()), float(worst.quantile(0.99))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed, arguments.resume, lambda line: print(line, flush=True))
