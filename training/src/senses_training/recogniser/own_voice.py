"""Let the voice starter speak training sentences: `python -m senses_training.recogniser.own_voice --out own.npz`.

What one starter says, the other is to understand. Runs where Senses is installed; 900 sentences take seven minutes of
one processor. When each word begins is not known of this voice.
"""

import argparse
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

from senses_training import paths  # noqa: E402
from senses_training.recogniser import corpus  # noqa: E402
from senses_training.recogniser.speech import UNKNOWN_START, Utterance, audible  # noqa: E402
from senses_training.voice.config import VOICES  # noqa: E402
from senses_training.voice.stage import Stage  # noqa: E402

logger = logging.getLogger(__name__)

SPEEDS = (0.8, 1.25)


def lessons(rng: random.Random, stage: Stage, count: int) -> Iterator[Utterance]:
    """Speak `count` sentences to train on, each in either voice and at any speed."""
    for _ in range(count):
        text = corpus.draw(rng, held_out=False, drills=corpus.DRILLS)
        voice, speed = rng.choice(list(VOICES)), rng.uniform(*SPEEDS)
        yield utterance(text, f"starter+{voice}", stage.say(text, voice, speed))


def utterance(text: str, voice: str, spoken: np.ndarray) -> Utterance:
    """Bring 24 kHz speech to the recogniser's rate, without the silence around it."""
    samples = resample_poly(spoken, 2, 3)
    first, last = audible(samples)
    starts = (0.0, *[UNKNOWN_START] * (len(text.split()) - 1))
    return Utterance(text, voice, (samples[first:last].clip(-1, 1) * 32767).astype(np.int16), starts)


def main() -> None:
    """Speak and store the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    spoken = list(lessons(random.Random(asked.seed), Stage(paths.TTS, None), asked.count))
    corpus.save(spoken, asked.out)
    logger.info("%d sentences, %.1f hours", len(spoken), sum(one.seconds for one in spoken) / 3600)


if __name__ == "__main__":
    main()
