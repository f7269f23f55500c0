"""Part two: from phonemes to durations, pitch and loudness.

`python -m senses_training.voice.train_prosody --folder run`.

One thread, no accelerator, one utterance at a time: the library's duration encoder knows no padding.
"""

import argparse
import logging
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senses_training.voice.config import NORMAL_RATE, STYLE, VOICES
from senses_training.voice.course import Course
from senses_training.voice.network import Voice, styles
from senses_training.voice.utterance import Utterance, load

logger = logging.getLogger(__name__)

TOGETHER = 2
CHECKED = 60
NAMES = list(VOICES)


def errors(voice: Voice, one: Utterance) -> dict[str, Tensor]:
    """Mean absolute errors: durations in frames, pitch in 30 Hz, loudness in 8 dB."""
    style = styles()[NAMES.index(one.voice), STYLE:][None]
    true = torch.from_numpy(one.durations.astype(np.int64))
    durations, pitch, loudness = voice.prosody(torch.from_numpy(one.tokens.astype(np.int64))[None], style, true)
    return {
        "durations": (durations - true).abs().mean(),
        "pitch": (pitch - torch.from_numpy(one.pitch.copy())).abs().mean() / 30,
        "loudness": (loudness - torch.from_numpy(one.loudness.copy())).abs().mean() * 5,
    }


def mean(many: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average several utterances."""
    return {name: torch.stack([one[name] for one in many]).mean() for name in many[0]}


def main() -> None:
    """Train, or go on training, on utterances at the normal rate; the last ones are kept for checking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    rng, voice = random.Random(asked.seed), Voice().train()
    corpus = [one for one in load(asked.corpus) if one.rate == NORMAL_RATE]
    corpus, kept_back = corpus[:-CHECKED], corpus[-CHECKED:]
    asked.folder.mkdir(parents=True, exist_ok=True)
    trained = [voice.bert, voice.bert_encoder, voice.predictor]
    course = Course(
        voice, [parameter for part in trained for parameter in part.parameters()], asked.folder / "prosody.pt",
        seconds=asked.minutes * 60, rate=2e-3, warm_steps=200, clip=2.0, kept=lambda: voice.parts(Voice.PROSODY),
    )  # fmt: skip
    course.run(lambda: mean([errors(voice, one) for one in rng.sample(corpus, TOGETHER)]))
    with torch.no_grad():
        checked = mean([errors(voice.eval(), one) for one in kept_back])
    logger.info("held out: %s", {name: round(value.item(), 3) for name, value in checked.items()})


if __name__ == "__main__":
    main()
