"""Pack pictures and conversations into batches.

A picture costs far more than a question, so several questions share one picture: each becomes a branch that sees the
picture and itself but not its siblings. Some conversations are a single line instead, as real follow-up questions are.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from tokenizers import Tokenizer

from senses_training.vision.album import picture
from senses_training.vision.glance import label, stack
from senses_training.vision.network import Batch
from senses_training.vision.patches import FACTOR, MERGE, patches, resized
from senses_training.vision.pictures import Picture
from senses_training.vision.questions import NO_PICTURE, SYSTEM_PROMPTS, Question, caption, question
from senses_training.vision.reserve import Split
from senses_training.vision.tokenizer import END, IMAGE, START, STOP, VISION_END, VISION_START

DEFAULT_SYSTEM = "You are a helpful assistant."
ROOT = -1
ALIGNED = 16  # lengths that are multiples of this run two to three times faster on a CPU


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the network gets it; `grid` counts rows and columns of its tokens."""

    picture: Picture
    patches: np.ndarray
    labels: np.ndarray
    grid: tuple[int, int]


def show(picture: Picture) -> Shown:
    """Prepare a picture for the network."""
    width, height = (side // FACTOR for side in resized(*picture.image.size))
    return Shown(picture, patches(picture.image), label(picture, height, width), (height, width))


@dataclass(slots=True)
class Sample:
    """One picture's tokens: where each stands, to which branch it belongs, and what should come next."""

    tokens: list[int] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], at: int, branch: int, parent: int) -> int:
        """Append text from position `at`; return the next position."""
        for offset, token in enumerate(tokens):
            self._put(token, (at + offset,) * 3, branch, parent)
        return at + len(tokens)

    def add_image(self, rows: int, columns: int, at: int, branch: int) -> int:
        """Append a picture of `rows` by `columns` tokens; return the next position."""
        for row in range(rows):
            for column in range(columns):
                self._put(IMAGE, (at, at + row, at + column), branch, ROOT)
        return at + max(rows, columns)

    def add_answer(self, answer: Sequence[int], at: int, branch: int, parent: int) -> int:
        """Append an answer that the model is to give after the token before it."""
        first = len(self.tokens) - 1
        end = self.add(answer, at, branch, parent)
        self.targets[first:-1] = answer
        return end

    def _put(self, token: int, position: tuple[int, int, int], branch: int, parent: int) -> None:
        self.tokens.append(token)
        self.positions.append(position)
        self.branches.append(branch)
        self.parents.append(parent)
        self.targets.append(ROOT)


class Packer:
    """Turn pictures into samples and samples into batches."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.encode = lru_cache(50_000)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _turn(self, role: str, text: str = "") -> tuple[int, ...]:
        return (START, *self.encode(f"{role}\n{text}"))

    def _system(self, rng: random.Random) -> tuple[int, ...]:
        kind = rng.random()
        if kind < 0.15:
            return ()
        text = DEFAULT_SYSTEM if kind < 0.75 else rng.choice(SYSTEM_PROMPTS)
        return (*self._turn("system", text), STOP, *self.encode("\n"))

    def _asked(self, text: str) -> tuple[int, ...]:
        return (*self.encode(text), STOP, *self.encode("\n"), *self._turn("assistant"))

    def _answer(self, one: Question) -> tuple[int, ...]:
        """Encode an answer; what is printed is spelled letter by letter, so that any word can be read."""
        before, spelled, after = one.answer.rpartition(one.spelled) if one.spelled else (one.answer, "", "")
        letters = [token for letter in spelled for token in self.encode(letter)]
        return (*self.encode(before), *letters, *self.encode(after), STOP)

    def sample(self, rng: random.Random, shown: Picture, questions: int = 3) -> Sample:
        """Pack one picture with questions about it."""
        width, height = (side // FACTOR for side in resized(*shown.image.size))
        asked = [caption(rng, shown), *(question(rng, shown) for _ in range(questions - 1))]
        sample, kind = Sample(), rng.random()
        at = sample.add((*self._system(rng), *self._turn("user")), 0, 0, ROOT)
        grid = (height, width)
        if kind < 0.08:
            self._text_first(sample, rng.choice(asked), at, grid)
        elif kind < 0.2:
            rng.shuffle(asked)
            self._line(sample, asked, self._show(sample, at, grid))
        elif kind < 0.24:
            self._branch_out(sample, asked[:1], at, grid)
            self._no_picture(sample, rng, rng.choice(asked))
        else:
            self._branch_out(sample, asked, at, grid)
        return sample

    def branches(self, rng: random.Random, shown: Picture, questions: int) -> tuple[Sample, list[str]]:
        """Pack one picture with its caption and questions in the plainest form; also list their kinds."""
        width, height = (side // FACTOR for side in resized(*shown.image.size))
        asked = [caption(rng, shown), *(question(rng, shown) for _ in range(questions - 1))]
        sample = Sample()
        system = (*self._turn("system", DEFAULT_SYSTEM), STOP, *self.encode("\n"))
        self._branch_out(sample, asked, sample.add((*system, *self._turn("user")), 0, 0, ROOT), (height, width))
        return sample, [one.kind for one in asked]

    def _branch_out(self, sample: Sample, asked: Sequence[Question], at: int, grid: tuple[int, int]) -> None:
        at = self._show(sample, at, grid)
        for branch, one in enumerate(asked, start=1):
            start = sample.add(self._asked(one.text), at, branch, 0)
            sample.add_answer(self._answer(one), start, branch, 0)

    def _show(self, sample: Sample, at: int, grid: tuple[int, int]) -> int:
        at = sample.add((VISION_START,), at, 0, ROOT)
        at = sample.add_image(*grid, at, 0)
        return sample.add((VISION_END,), at, 0, ROOT)

    def _text_first(self, sample: Sample, asked: Question, at: int, grid: tuple[int, int]) -> None:
        at = self._show(sample, sample.add(self.encode(asked.text), at, 0, ROOT), grid)
        at = sample.add(self._asked(""), at, 0, ROOT)
        sample.add_answer(self._answer(asked), at, 0, ROOT)

    def _line(self, sample: Sample, asked: Sequence[Question], at: int) -> None:
        for one in asked:
            at = sample.add(self._asked(one.text), at, 0, ROOT)
            at = sample.add_answer(self._answer(one), at, 0, ROOT)
            at = sample.add((*self.encode("\n"), *self._turn("user")), at, 0, ROOT)

    def _no_picture(self, sample: Sample, rng: random.Random, asked: Question) -> None:
        tree = 99
        tokens = (*self._system(rng), *self._turn("user"), *self._asked(asked.text))
        at = sample.add(tokens, 0, tree, ROOT)
        sample.add_answer((*self.encode(NO_PICTURE), STOP), at, tree, ROOT)

    def collate(self, shown: Sequence[Shown], samples: Sequence[Sample]) -> Batch:
        """Pad samples to one length and say which token may look at which."""
        longest = -(-max(len(sample.tokens) for sample in samples) // ALIGNED) * ALIGNED
        shape = (len(samples), longest)
        tokens, targets = np.full(shape, END), np.full(shape, ROOT)
        branches, parents = np.full(shape, -2), np.full(shape, -3)
        positions = np.zeros((3, *shape), np.int64)
        for row, sample in enumerate(samples):
            length = len(sample.tokens)
            tokens[row, :length], targets[row, :length] = sample.tokens, sample.targets
            branches[row, :length], parents[row, :length] = sample.branches, sample.parents
            positions[:, row, :length] = np.array(sample.positions).T
        seen = (branches[:, :, None] == branches[:, None]) | (parents[:, :, None] == branches[:, None])
        answers = np.flatnonzero(targets >= 0)
        return Batch(
            patches=torch.from_numpy(np.stack([one.patches for one in shown])),
            rows=shown[0].grid[0] * MERGE,
            columns=shown[0].grid[1] * MERGE,
            tokens=torch.from_numpy(tokens),
            is_image=torch.from_numpy(tokens == IMAGE),
            positions=torch.from_numpy(positions),
            mask=torch.from_numpy(seen & np.tri(longest, dtype=bool))[:, None],
            answers=torch.from_numpy(answers),
            targets=torch.from_numpy(targets.ravel()[answers]),
            labels=stack([one.labels for one in shown]),
        )

    def stream(
        self, rng: random.Random, fonts: Sequence[str], size: int, questions: int, kinds: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """Yield training batches of pictures of `kinds`, or of all, without end."""
        waiting: dict[tuple[int, int], list[Shown]] = defaultdict(list)
        while True:
            one = show(picture(rng, Split.TRAINING, fonts, kinds))
            waiting[one.grid].append(one)
            if len(waiting[one.grid]) == size:
                shown = waiting.pop(one.grid)
                yield self.collate(shown, [self.sample(rng, one.picture, questions) for one in shown])
