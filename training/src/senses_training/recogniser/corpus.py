"""Speak the training sentences once and keep them: `python -m senses_training.recogniser.corpus --out corpus.npz`."""

import argparse
import json
import logging
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from senses_training.recogniser import flite
from senses_training.recogniser.speech import Espeak, Utterance, known_voice, manner, pronounced
from starter_world import grammar

logger = logging.getLogger(__name__)

DRILLS, OTHERS = 0.3, 0.07
"""The shares of drills, and of sentences spoken by flite instead of espeak-ng."""


def drill(rng: random.Random) -> str:
    """Draw what is easily misheard: words in no order, a row of digits in which every third is said again, and so on.

    Words that only short commands hold would otherwise never be trained on where that command is held out.
    """
    kind = rng.random()
    if kind < 0.5:
        words = sorted(grammar.words() - set(grammar.LETTERS) | {"a"})
        return " ".join(rng.sample(words, rng.randint(2, 4)))
    if kind < 0.7:
        row = [rng.choice(grammar.DIGITS)]
        for _ in range(rng.randint(1, 5)):
            row.append(row[-1] if rng.random() < 0.35 else rng.choice(grammar.DIGITS))
        return " ".join(row)
    return grammar.letters(rng) if kind < 0.9 else grammar.numbers(rng)


def draw(rng: random.Random, *, held_out: bool, drills: float = 0.0) -> str:
    """Draw a sentence that is, or is not, among those no starter trains on; a share of `drills` is harder."""
    while True:
        text = drill(rng) if rng.random() < drills else grammar.sentence(rng)
        if grammar.is_held_out(text) == held_out:
            return text


def unheard(rng: random.Random, count: int) -> list[str]:
    """Draw different sentences that no starter trains on."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[draw(rng, held_out=True)] = None
    return list(found)


def speak(
    espeak: Espeak, rng: random.Random, texts: Iterable[str], voice: Callable[[random.Random], str]
) -> Iterator[Utterance]:
    """Speak sentences, each by a newly drawn voice."""
    for text in texts:
        yield espeak.say(text, manner(rng, voice(rng)), written=pronounced(rng, text))


def lessons(rng: random.Random, count: int) -> Iterator[Utterance]:
    """Speak `count` sentences to train on."""
    espeak, others = Espeak(), OTHERS if flite.is_installed() else 0.0
    for _ in range(count):
        text = draw(rng, held_out=False, drills=DRILLS)
        if rng.random() < others:
            yield flite.say(text, rng.choice(flite.KNOWN_VOICES), rng)
        else:
            yield espeak.say(text, manner(rng, known_voice(rng)), written=pronounced(rng, text))


def save(utterances: list[Utterance], path: Path) -> None:
    """Write utterances as one array of 16-bit samples and a JSON index."""
    samples = np.concatenate([one.samples for one in utterances])
    index = [(one.text, one.voice, len(one.samples), one.starts) for one in utterances]
    np.savez(path, samples=samples, index=np.frombuffer(json.dumps(index).encode(), np.uint8))


def load(path: Path) -> list[Utterance]:
    """Read what `save` wrote."""
    with np.load(path) as stored:
        samples, index = stored["samples"], json.loads(stored["index"].tobytes())
    ends = np.cumsum([length for _, _, length, _ in index])
    return [
        Utterance(text, voice, samples[end - length : end], tuple(starts))
        for (text, voice, length, starts), end in zip(index, ends, strict=True)
    ]


def main() -> None:
    """Speak and store the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    spoken = list(lessons(random.Random(asked.seed), asked.count))
    save(spoken, asked.out)
    hours = sum(one.seconds for one in spoken) / 3600
    logger.info("%d sentences, %.1f hours, %d voices", len(spoken), hours, len({one.voice for one in spoken}))


if __name__ == "__main__":
    main()
