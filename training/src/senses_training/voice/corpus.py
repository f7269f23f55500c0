"""Speak the training sentences once and keep them: `python -m senses_training.voice.corpus --out corpus.npz`.

Runs where Senses is installed, with the very espeak-ng that speaks at run time, so that phonemes match. Half of the
texts are sentences of the world, half are rows of common English words.
"""

import argparse
import base64
import logging
import random
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

from model_runtime.engines.speech.kitten_phonemes import TOKEN_IDS, phonemize_english, to_token_ids
from senses_training.voice import measure
from senses_training.voice.config import NORMAL_RATE, VOICES
from senses_training.voice.speech import Speaker
from senses_training.voice.utterance import Utterance, save
from starter_world import grammar

logger = logging.getLogger(__name__)

SHORT_WORDS = [
    "a",
    "i",
    "am",
    "an",
    "as",
    "at",
    "be",
    "by",
    "do",
    "go",
    "he",
    "if",
    "in",
    "is",
    "it",
    "me",
    "my",
    "no",
    "of",
    "on",
    "or",
    "so",
    "to",
    "up",
    "us",
    "we",
    "ok",
    "the",
    "and",
    "you",
    "for",
    "are",
    "was",
    "not",
    "but",
]
COMMON_WORDS, HELD_OUT_WORDS = 9000, 300
ENDINGS = ("", "", "", "", ",", ".", ".", "!", "?")
OTHER_RATES = (115, 130, 175, 200, 230)


def common_words() -> list[str]:
    """Frequent English words, most frequent first: the order in which GPT-2's vocabulary was learned."""
    found: list[str] = []
    for line in (files("mlx_whisper") / "assets" / "gpt2.tiktoken").read_text().splitlines():
        word = base64.b64decode(line.split()[0]).decode("utf-8", "replace")
        if word[:1] == " " and word[1:].isascii() and word[1:].isalpha() and word.islower() and len(word) > 3:
            found.append(word[1:])
    return found[:COMMON_WORDS]


def held_out_words() -> list[str]:
    """Words that are never trained on."""
    return random.Random(11).sample(common_words(), HELD_OUT_WORDS)


def texts(rng: random.Random) -> Iterator[str]:
    """Endless texts to train on."""
    held_out = set(held_out_words())
    words = [word for word in common_words() if word not in held_out]
    while True:
        text = grammar.sentence(rng) if rng.random() < 0.45 else _row(rng, words)
        if not grammar.is_held_out(text):
            yield text + rng.choice(ENDINGS)


def _row(rng: random.Random, words: list[str]) -> str:
    row = [rng.choice(SHORT_WORDS if rng.random() < 0.3 else words) for _ in range(rng.randint(1, 9))]
    if len(row) > 4 and rng.random() < 0.4:
        row[len(row) // 2] += ","
    return " ".join(row)


def speak(speaker: Speaker, text: str, voice: str, rate: int = NORMAL_RATE) -> Utterance | None:
    """Speak and measure one text; None where espeak-ng's phonemes and sounds do not agree."""
    symbols = "".join(symbol for symbol in phonemize_english(speaker.espeak, text) if symbol in TOKEN_IDS)
    samples, sounds = speaker.say(text, VOICES[voice], rate)
    frames = measure.durations(symbols, sounds)
    if frames is None:
        return None
    sound = measure.placed(samples, sum(frames))
    return Utterance(
        text, voice, rate, np.array(to_token_ids(symbols)), np.array(frames), sound, *measure.curves(sound, voice)
    )


def main() -> None:
    """Speak and store the corpus: a quarter of it slower or faster, for the sound alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng, speaker = random.Random(asked.seed), Speaker()
    kept: list[Utterance] = []
    refused = 0
    for text in texts(rng):
        rate = rng.choice(OTHER_RATES) if rng.random() < 0.25 else NORMAL_RATE
        one = speak(speaker, text, rng.choice(list(VOICES)), rate)
        if one is None:
            refused += 1
            logger.info("sounds and phonemes differ: %s", text)
            continue
        kept.append(one)
        if len(kept) == asked.count:
            break
    save(kept, asked.out)
    seconds = sum(one.durations.sum() for one in kept) / 100
    logger.info("%d utterances, %.0f s, %d refused", len(kept), seconds, refused)


if __name__ == "__main__":
    main()
