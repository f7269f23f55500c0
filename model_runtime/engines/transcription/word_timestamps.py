"""When each word of a segment is said: mlx-whisper's attention, our dynamic time warping instead of numba's."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from model_runtime.engines.transcription.mlx_whisper_patches import timing


def align_words(
    segments: Sequence[dict[str, Any]],
    model: Any,
    tokenizer: Any,
    mel: mx.array,
    *,
    frames: int,
    last_speech_seconds: float,
) -> None:
    """Add "words" to segments of one window, and move their starts and ends to those of the words.

    Where the alignment finds no time for the words of a segment, it keeps its own times and the words share them.
    """
    times = [(segment["start"], segment["end"]) for segment in segments]
    timing.add_word_timestamps(
        segments=segments,
        model=model,
        tokenizer=tokenizer,
        mel=mel,
        num_frames=frames,
        last_speech_timestamp=last_speech_seconds,
    )
    for segment, (start, end) in zip(segments, times, strict=True):
        if not segment["end"] > segment["start"]:
            segment["start"], segment["end"] = start, end
            share(segment["words"], start, end)


def share(words: Sequence[dict[str, Any]], start: float, end: float) -> None:
    """Give each word a part of the time that is as long as its letters."""
    letters = sum(len(word["word"]) for word in words)
    spoken = 0
    for word in words:
        word["start"] = start + (end - start) * spoken / letters
        spoken += len(word["word"])
        word["end"] = start + (end - start) * spoken / letters


def warp(costs: np.ndarray) -> np.ndarray:
    """Return the cheapest path through costs (tokens x frames) as two rows of indices.

    Cells of one diagonal depend only on the two before it, so each diagonal is one step.
    """
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    trace = np.full((rows + 1, columns + 1), STAY, np.int8)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        both, down, across = total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]
        moves = np.where((both < down) & (both < across), BOTH, np.where((down < both) & (down < across), DOWN, STAY))
        total[row, column] = costs[row - 1, column - 1] + np.choose(moves, (both, down, across))
        trace[row, column] = moves
    return _walk_back(trace)


BOTH, DOWN, STAY = 0, 1, 2


def _walk_back(trace: np.ndarray) -> np.ndarray:
    trace[:, 0], trace[0, :] = DOWN, STAY
    row, column = trace.shape[0] - 1, trace.shape[1] - 1
    path: list[tuple[int, int]] = []
    while row > 0 or column > 0:
        path.append((row - 1, column - 1))
        move = trace[row, column]
        row, column = row - (move != STAY), column - (move != DOWN)
    return np.array(path[::-1]).T


def median(values: np.ndarray, width: int) -> np.ndarray:
    """Replace each value by the median of `width` values around it along the last axis, mirrored at the ends."""
    half = width // 2
    if values.shape[-1] <= half:
        return values
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1), axis=-1)


timing.dtw, timing.median_filter = warp, median
