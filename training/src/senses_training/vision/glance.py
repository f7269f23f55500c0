"""Teach the vision tower to look before it learns to talk: every image token says what lies under it.

Captions alone teach seeing slowly, one sentence for a whole picture. The drawing program knows what every part of its
picture shows, so while training each token also names its shape or digit, colour and size, and spells the letters whose
middles lie in it. The heads that say so are no part of the exported model.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from senses_training.vision.pictures import Mark, Picture
from starter_world.grammar import COLORS, SHAPES, SIZES

LETTER = "letter"
NAMES = ("", *SHAPES, *string.digits, LETTER)
WORDS = ("", *SIZES)
CHARACTERS = ("", *string.digits, *string.ascii_lowercase)
SLOTS = 3
"""At most so many characters have their middles in one token."""
UNSURE = -100  # what cross_entropy ignores
EMPTY_WEIGHT = 0.03  # nearly all places for characters are empty


@dataclass(frozen=True, slots=True)
class Labels:
    """What lies under each token of some pictures; a bare token has the colour of the background."""

    names: Tensor
    colors: Tensor
    sizes: Tensor
    characters: Tensor


def cover(mark: Mark, rows: int, columns: int) -> np.ndarray:
    """Measure how much of every cell the mark's box covers."""
    left, top, right, bottom = mark.box
    across = _overlap(left * columns, right * columns, columns)
    down = _overlap(top * rows, bottom * rows, rows)
    covered: np.ndarray = down[:, None] * across
    return covered


def _overlap(start: float, end: float, count: int) -> np.ndarray:
    cells = np.arange(count)
    inside: np.ndarray = np.clip(np.minimum(cells + 1, end) - np.maximum(cells, start), 0, None)
    return inside


def label(picture: Picture, rows: int, columns: int) -> np.ndarray:
    """Name what lies under each of `rows` by `columns` tokens: rows of classes, or `UNSURE` at edges."""
    classes = np.zeros((3, rows, columns), np.int64)
    classes[1] = COLORS.index(picture.background)
    most = np.full((rows, columns), 0.05)
    for mark in picture.marks:
        covered = cover(mark, rows, columns)
        own = covered > most
        clear = own & ((covered >= 0.35) | (covered >= 0.5 * covered.sum()) | (covered == covered.max()))
        name = LETTER if mark.name in string.ascii_lowercase else mark.name
        classes[:, own] = UNSURE
        classes[:, clear] = np.array([[NAMES.index(name)], [COLORS.index(mark.color)], [WORDS.index(mark.size)]])
        most = np.maximum(most, covered)
    return np.concatenate([classes, spell(picture.marks, rows, columns)]).reshape(3 + SLOTS, -1)


def spell(marks: Sequence[Mark], rows: int, columns: int) -> np.ndarray:
    """List for each token the characters whose middles lie in it, from left to right."""
    classes = np.zeros((SLOTS, rows, columns), np.int64)
    for mark in marks:
        if mark.name in CHARACTERS:
            left, top, right, bottom = mark.box
            row, column = int((top + bottom) / 2 * rows), int((left + right) / 2 * columns)
            slot = np.count_nonzero(classes[:, row, column])
            if slot < SLOTS:
                classes[slot, row, column] = CHARACTERS.index(mark.name)
    return classes


def stack(labels: list[np.ndarray]) -> Labels:
    """Join the labels of a batch."""
    names, colors, sizes, *characters = torch.from_numpy(np.stack(labels, 1)).flatten(1)
    return Labels(names, colors, sizes, torch.stack(characters, -1))


class Glance(nn.Module):
    """Linear readings of an image token."""

    weights: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.names = nn.Linear(width, len(NAMES))
        self.colors = nn.Linear(width, len(COLORS))
        self.sizes = nn.Linear(width, len(WORDS))
        self.characters = nn.Linear(width, SLOTS * len(CHARACTERS))
        weights = torch.ones(len(CHARACTERS))
        weights[0] = EMPTY_WEIGHT
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, features: Tensor, labels: Labels) -> Tensor:
        """Return how wrong the readings are."""
        tokens = features.flatten(0, 1)
        spelled = self.characters(tokens).float().view(-1, len(CHARACTERS))
        loss: Tensor = (
            F.cross_entropy(self.names(tokens).float(), labels.names)
            + F.cross_entropy(self.colors(tokens).float(), labels.colors)
            + 0.5 * F.cross_entropy(self.sizes(tokens).float(), labels.sizes)
            + F.cross_entropy(spelled, labels.characters.flatten(), self.weights)
        )
        return loss
