"""Split the tokens of one window into timed segments, and find where the next window starts. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

FRAMES_PER_TIMESTAMP = 2
"""Frames (10 ms) in one step of a timestamp token (20 ms)."""


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """Consecutive tokens; `start` and `end` are in steps of 20 ms from the start of the window."""

    tokens: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WindowSplit:
    """The spans of a window."""

    spans: tuple[SegmentSpan, ...]
    consumed_frames: int
    """Frames from this window to the next."""
    ends_open: bool
    """Whether speech continues after the last span."""


def split_window(tokens: Sequence[int], timestamp_begin: int, frames: int) -> WindowSplit:
    """Split tokens at pairs of timestamps, as Whisper's transcribe.py; `timestamp_begin` is the token of time zero.

    A single timestamp at the end means that no speech follows. Without it, the next window starts at the last pair.
    Without any pair, all tokens are one span.
    """
    is_timestamp = [token >= timestamp_begin for token in tokens]
    single_timestamp_ending = is_timestamp[-2:] == [False, True]
    boundaries = [index for index in range(1, len(tokens)) if is_timestamp[index - 1] and is_timestamp[index]]
    if not boundaries:
        return WindowSplit(tuple(_single_span(tokens, timestamp_begin, frames)), frames, ends_open=False)
    if single_timestamp_ending:
        spans = tuple(_spans_between(tokens, timestamp_begin, [0, *boundaries, len(tokens)]))
        return WindowSplit(spans, frames, ends_open=False)
    spans = tuple(_spans_between(tokens, timestamp_begin, [0, *boundaries]))
    last_pair_frames = (tokens[boundaries[-1] - 1] - timestamp_begin) * FRAMES_PER_TIMESTAMP
    return WindowSplit(spans, min(frames, last_pair_frames), ends_open=True)


def _spans_between(tokens: Sequence[int], timestamp_begin: int, boundaries: Sequence[int]) -> Iterator[SegmentSpan]:
    for start, end in pairwise(boundaries):
        span = tuple(tokens[start:end])
        yield SegmentSpan(span, max(0, span[0] - timestamp_begin), max(0, span[-1] - timestamp_begin))


def _single_span(tokens: Sequence[int], timestamp_begin: int, frames: int) -> Iterator[SegmentSpan]:
    if tokens:
        timestamps = [token - timestamp_begin for token in tokens if token > timestamp_begin]
        yield SegmentSpan(tuple(tokens), 0, timestamps[-1] if timestamps else frames // FRAMES_PER_TIMESTAMP)
