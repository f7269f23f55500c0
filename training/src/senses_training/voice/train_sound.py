"""Part one: from true durations, pitch and loudness to sound.

`python -m senses_training.voice.train_sound --folder run`.

One thread, no accelerator. Crops of about a second first, which are quick, then whole utterances, which the norms over
time need.
"""

import argparse
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senses_training.voice.config import FRAME, STYLE, VOICES
from senses_training.voice.course import Course
from senses_training.voice.network import Voice, styles
from senses_training.voice.spectra import distance
from senses_training.voice.utterance import Utterance, load

logger = logging.getLogger(__name__)

WHOLE_FROM = 0.6
CROP_FRAMES, BATCH_FRAMES, WHOLE_ROWS = (70, 150), 800, 4
NAMES = list(VOICES)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows; `held` (batch, tokens, frames) says which token sounds in which frame."""

    tokens: Tensor
    lengths: Tensor
    held: Tensor
    pitch: Tensor
    loudness: Tensor
    styles: Tensor
    sound: Tensor


def crops(rng: random.Random, corpus: Sequence[Utterance]) -> Batch:
    """Draw crops of one length."""
    frames = rng.randint(*CROP_FRAMES)
    rows = rng.sample(range(len(corpus)), BATCH_FRAMES // frames)
    return collate([_cut(rng, corpus[row], frames) for row in rows], frames)


def whole(rng: random.Random, by_length: Sequence[Utterance]) -> Batch:
    """Draw whole utterances of about one length."""
    first = rng.randrange(len(by_length) - WHOLE_ROWS)
    rows = by_length[first : first + WHOLE_ROWS]
    return collate([(one, 0) for one in rows], max(frames_of(one) for one in rows) + rng.randint(0, 10))


def frames_of(one: Utterance) -> int:
    """How many frames an utterance has."""
    return int(one.durations.sum())


def _cut(rng: random.Random, one: Utterance, frames: int) -> tuple[Utterance, int]:
    return one, rng.randint(0, max(0, frames_of(one) - frames))


def collate(rows: Sequence[tuple[Utterance, int]], frames: int) -> Batch:
    """Put utterances together, each from its own first frame on; the last border's silence fills the rest."""
    longest = max(len(one.tokens) for one, _ in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    held = torch.zeros(len(rows), longest, frames)
    pitch, loudness = torch.zeros(len(rows), 2 * frames), torch.zeros(len(rows), 2 * frames)
    sound = torch.zeros(len(rows), frames * FRAME)
    for row, (one, first) in enumerate(rows):
        tokens[row, : len(one.tokens)] = torch.from_numpy(one.tokens.astype(np.int64))
        which = np.repeat(np.arange(len(one.tokens)), one.durations)[first : first + frames]
        there = len(which)
        held[row, torch.from_numpy(which), torch.arange(there)] = 1
        held[row, len(one.tokens) - 1, there:] = 1
        pitch[row, : 2 * there] = torch.from_numpy(one.pitch[2 * first : 2 * (first + there)].copy())
        loudness[row, : 2 * there] = torch.from_numpy(one.loudness[2 * first : 2 * (first + there)].copy())
        loudness[row, 2 * there :] = loudness[row, 2 * there - 1]
        piece = one.sound[first * FRAME : (first + there) * FRAME].astype(np.float32)
        sound[row, : len(piece)] = torch.from_numpy(piece)
    who = torch.tensor([NAMES.index(one.voice) for one, _ in rows])
    lengths = torch.tensor([len(one.tokens) for one, _ in rows])
    return Batch(tokens, lengths, held, pitch, loudness, styles()[who, :STYLE], sound)


def speak(voice: Voice, batch: Batch) -> Tensor:
    """Turn a batch into sound."""
    features = voice.text_encoder(batch.tokens, batch.lengths) @ batch.held
    sound: Tensor = voice.decoder(features, batch.pitch, batch.loudness, batch.styles)
    return sound


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    rng, corpus, voice = random.Random(asked.seed), load(asked.corpus), Voice().train()
    by_length = sorted(corpus, key=frames_of)
    asked.folder.mkdir(parents=True, exist_ok=True)
    course = Course(
        voice, [*voice.text_encoder.parameters(), *voice.decoder.parameters()], asked.folder / "sound.pt",
        seconds=asked.minutes * 60, rate=3e-3, warm_steps=100, clip=5.0, kept=lambda: voice.parts(Voice.SOUND),
    )  # fmt: skip

    def losses() -> dict[str, Tensor]:
        batch = whole(rng, by_length) if course.part > WHOLE_FROM else crops(rng, corpus)
        return distance(speak(voice, batch), batch.sound)

    course.run(losses)


if __name__ == "__main__":
    main()
