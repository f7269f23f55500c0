"""Fit the weights of the groups of letters, and write them in the product's format.

A logistic regression with an L1 penalty, which keeps few groups for each language, learns from pieces of one to twenty
words. A third of the pieces lose their accents, as texts of telephones and programs do.

    python -m senses_training.languages.fit --folder build/languages --recordings .recordings
"""

import argparse
import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from model_runtime.catalog.latin_languages import GROUPS_FILE, SCALE, letter_groups
from senses_training.languages.texts import LANGUAGES, read_texts

PIECES = 2500
"""For each language. English has three times as many: a text is English unless it is clearly not."""
TIMES_AS_MANY = {"en": 3, "es": 2, "pt": 2}
WORDS_OF_A_PIECE = (1, 2, 3, 4, 5, 6, 8, 12, 20)
MAX_GROUPS = 3600
L1 = 0.1
BATCH = 512
RATES = (0.02,) * 8 + (0.006,) * 2 + (0.002,) * 2
"""Step size of each epoch."""
MAX_WEIGHT = 40


def make_pieces(texts: Mapping[str, Sequence[str]], chance: random.Random) -> tuple[list[set[str]], np.ndarray]:
    """Return the groups of letters of random pieces, and the indices of their languages."""
    pieces, languages = [], []
    for index, code in enumerate(LANGUAGES):
        for _ in range(PIECES * TIMES_AS_MANY.get(code, 1)):
            words, length = chance.choice(texts[code]).split(), chance.choice(WORDS_OF_A_PIECE)
            start = chance.randrange(max(1, len(words) - length + 1))
            piece = " ".join(words[start : start + length])
            groups = letter_groups(without_accents(piece) if chance.random() < 0.3 else piece)
            if len(groups) > 3:
                pieces.append(groups)
                languages.append(index)
    return pieces, np.array(languages)


def without_accents(text: str) -> str:
    """Return `text` with plain letters."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def choose_groups(pieces: Sequence[set[str]], languages: np.ndarray) -> list[str]:
    """Return the groups that say most about the language: by mutual information, all languages equally likely."""
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.full(len(LANGUAGES), 0.5))
    for groups, language in zip(pieces, languages, strict=True):
        for group in groups:
            counts[group][language] += 1
    totals = np.bincount(languages, minlength=len(LANGUAGES)) + 1
    frequent = {
        group: found / totals for group, found in counts.items() if found.max() >= PIECES * 0.004 and is_latin(group)
    }

    def entropy(share: np.ndarray) -> np.ndarray:
        return np.asarray(-(share * np.log(share) + (1 - share) * np.log(1 - share)))

    said = {group: float(entropy(share.mean()) - entropy(share).mean()) for group, share in frequent.items()}
    return sorted(said, key=lambda group: (-said[group], group))[:MAX_GROUPS]


def is_latin(group: str) -> bool:
    """Return whether all letters of a group are Latin, and it has one."""
    letters = group.replace(" ", "")
    return bool(letters) and all("LATIN" in unicodedata.name(letter, "") for letter in letters)


def fit(present: np.ndarray, languages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (groups, languages) and biases (languages) for `present` (pieces, groups), which is 0 or 1.

    Adam with a proximal step for the L1 penalty.
    """
    weights = np.zeros((present.shape[1], len(LANGUAGES)), np.float32)
    biases = np.zeros(len(LANGUAGES), np.float32)
    mean, square, step = np.zeros_like(weights), np.zeros_like(weights), 0
    wanted = np.eye(len(LANGUAGES), dtype=np.float32)[languages]
    chance, order = np.random.default_rng(0), np.arange(len(languages))
    for rate in RATES:
        chance.shuffle(order)
        for start in range(0, len(order), BATCH):
            batch, step = order[start : start + BATCH], step + 1
            scores = present[batch] @ weights + biases
            odds = np.exp(scores - scores.max(1, keepdims=True))
            error = (odds / odds.sum(1, keepdims=True) - wanted[batch]) / len(batch)
            slope = present[batch].T @ error
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
            weights -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-4)
            weights = np.sign(weights) * np.maximum(np.abs(weights) - rate * L1, 0)
            biases -= rate * 5 * error.sum(0)
    return weights, biases


def write_groups(file: Path, groups: Sequence[str], weights: np.ndarray, biases: np.ndarray) -> None:
    """Write a line for each language and weight; the group `-` is the bias."""
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    for index, code in enumerate(LANGUAGES):
        lines[code, round(float(biases[index]) * SCALE)].append("-")
        for group, weight in zip(groups, weights[:, index], strict=True):
            if rounded := max(-MAX_WEIGHT, min(MAX_WEIGHT, round(float(weight) * SCALE))):
                lines[code, rounded].append(group.replace(" ", "_"))
    text = "".join(f"{code} {weight} {' '.join(sorted(found))}\n" for (code, weight), found in sorted(lines.items()))
    file.write_text(text, encoding="utf-8")


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for the packages")
    parser.add_argument("--recordings", type=Path, required=True, help="what `make models` wrote")
    arguments = parser.parse_args()
    pieces, languages = make_pieces(read_texts(arguments.folder, arguments.recordings), random.Random(3))
    print(Counter(LANGUAGES[index] for index in languages))
    groups = choose_groups(pieces, languages)
    places = {group: place for place, group in enumerate(groups)}
    present = np.zeros((len(pieces), len(groups)), np.float32)
    for row, found in enumerate(pieces):
        present[row, [places[group] for group in found if group in places]] = 1
    write_groups(GROUPS_FILE, groups, *fit(present, languages))


if __name__ == "__main__":
    main()
