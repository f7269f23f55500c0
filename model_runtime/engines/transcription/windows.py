"""What the tokens of one window say: stretches of text with their times, and where the next window begins. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

FRAMES_PER_STEP = 2
"""Frames of 10 ms in one step of a time token."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive tokens and their times, in steps of 20 ms from the start of the window."""

    tokens: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The stretches of a window of `frames` frames. `frames` is how far to move on; `open` that its end is unheard."""

    stretches: tuple[Stretch, ...]
    frames: int
    open: bool


def cut(tokens: Sequence[int], clock: int, frames: int) -> Cut:
    """Cut tokens at pairs of times; `clock` is the token of time zero.

    A single time at the end means that nothing more is said. Where the last stretch has no end, the next window begins
    with it. Without any pair, all is one stretch.
    """
    is_time = [token >= clock for token in tokens]
    closed = is_time[-2:] == [False, True]
    edges = [place for place in range(1, len(tokens)) if is_time[place - 1] and is_time[place]]
    if not edges:
        return Cut(tuple(_whole(tokens, clock, frames)), frames, open=False)
    stretches = tuple(_between(tokens, clock, [0, *edges, *([len(tokens)] if closed else [])]))
    moved = frames if closed else (tokens[edges[-1] - 1] - clock) * FRAMES_PER_STEP
    return Cut(stretches, min(frames, moved), open=not closed)


def _between(tokens: Sequence[int], clock: int, edges: Sequence[int]) -> Iterator[Stretch]:
    for start, end in pairwise(edges):
        piece = tuple(tokens[start:end])
        yield Stretch(piece, max(0, piece[0] - clock), max(0, piece[-1] - clock))


def _whole(tokens: Sequence[int], clock: int, frames: int) -> Iterator[Stretch]:
    if tokens:
        times = [token - clock for token in tokens if token > clock]
        yield Stretch(tuple(tokens), 0, times[-1] if times else frames // FRAMES_PER_STEP)
