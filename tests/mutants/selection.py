"""Which of all faults are planted in a run."""

import random
from collections.abc import Sequence
from itertools import groupby

from tests.mutants.mutation import Mutation


def choose(mutations: Sequence[Mutation], number: int, seed: int) -> list[Mutation]:
    """Choose at random, from each file in proportion to the faults it can have. The seed decides."""
    if number >= len(mutations):
        return list(mutations)
    chance = random.Random(seed)  # noqa: S311 - the same choice for the same seed
    files = [list(group) for _, group in groupby(sorted(mutations), key=lambda mutation: mutation.path)]
    chance.shuffle(files)
    in_random_order = [mutation for file in files for mutation in chance.sample(file, len(file))]
    step = len(mutations) / number
    first = chance.random() * step
    return [in_random_order[int(first + step * index)] for index in range(number)]


def only(mutations: Sequence[Mutation], prefix: str) -> list[Mutation]:
    """Return the faults of a folder, of a file, or of one line (`path:line`). Empty means all."""
    return [one for one in mutations if not prefix or is_under(one, prefix.rstrip("/"))]


def is_under(mutation: Mutation, prefix: str) -> bool:
    """Return whether a fault is in this folder, file or line."""
    return f"{mutation.path}:{mutation.line}" == prefix or f"{mutation.path}/".startswith(f"{prefix}/")
