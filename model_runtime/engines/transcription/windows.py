"""What the tokens of one window say: stretches of text with their times, and where the next window begins. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

FRAMES_PER_TIMESTAMP = 2
"""Frames of 10 ms in one step of a time token."""


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """Consecutive tokens and their times, in steps of 20 ms from the start of the window."""

    tokens: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WindowSplit:
    """The spans of a window. `consumed_frames` is how far to move on; `ends_open` that its end is unheard."""

    spans: tuple[SegmentSpan, ...]
    consumed_frames: int
    ends_open: bool


def split_window(tokens: Sequence[int], timestamp_begin: int, frames: int) -> WindowSplit:
    """Cut tokens at pairs of times; `timestamp_begin` is the token of time zero.

    A single time at the end means that nothing more is said. Where the last stretch has no end, the next window begins
    with it. Without any pair, all is one stretch.
    """
    is_timestamp = [token >= timestamp_begin for token in tokens]
    single_timestamp_ending = is_timestamp[-2:] == [False, True]
    boundaries = [place for place in range(1, len(tokens)) if is_timestamp[place - 1] and is_timestamp[place]]
    if not boundaries:
        return WindowSplit(tuple(_single_span(tokens, timestamp_begin, frames)), frames, ends_open=False)
    spans = tuple(
        _spans_between(tokens, timestamp_begin, [0, *boundaries, *([len(tokens)] if single_timestamp_ending else [])])
    )
    consumed_frames = (
        frames if single_timestamp_ending else (tokens[boundaries[-1] - 1] - timestamp_begin) * FRAMES_PER_TIMESTAMP
    )
    return WindowSplit(spans, min(frames, consumed_frames), ends_open=not single_timestamp_ending)


def _spans_between(tokens: Sequence[int], timestamp_begin: int, boundaries: Sequence[int]) -> Iterator[SegmentSpan]:
    for start, end in pairwise(boundaries):
        span_tokens = tuple(tokens[start:end])
        yield SegmentSpan(
            span_tokens, max(0, span_tokens[0] - timestamp_begin), max(0, span_tokens[-1] - timestamp_begin)
        )


def _single_span(tokens: Sequence[int], timestamp_begin: int, frames: int) -> Iterator[SegmentSpan]:
    if tokens:
        timestamps = [token - timestamp_begin for token in tokens if token > timestamp_begin]
        yield SegmentSpan(tuple(tokens), 0, timestamps[-1] if timestamps else frames // FRAMES_PER_TIMESTAMP)
