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
            distribute_evenly(segment["words"], start, end)


def distribute_evenly(words: Sequence[dict[str, Any]], start: float, end: float) -> None:
    """Give each word a part of the time that is as long as its letters."""
    total_characters = sum(len(word["word"]) for word in words)
    characters_before = 0
    for word in words:
        word["start"] = start + (end - start) * characters_before / total_characters
        characters_before += len(word["word"])
        word["end"] = start + (end - start) * characters_before / total_characters


def dtw(costs: np.ndarray) -> np.ndarray:
    """Return the cheapest path through costs (tokens x frames) as two rows of indices.

    Cells of one diagonal depend only on the two before it, so each diagonal is one step.
    """
    rows, columns = costs.shape
    cumulative_cost = np.full((rows + 1, columns + 1), np.inf, np.float32)
    trace = np.full((rows + 1, columns + 1), NEXT_COLUMN, np.int8)
    cumulative_cost[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        diagonal_cost, row_cost, column_cost = (
            cumulative_cost[row - 1, column - 1],
            cumulative_cost[row - 1, column],
            cumulative_cost[row, column - 1],
        )
        moves = np.where(
            (diagonal_cost < row_cost) & (diagonal_cost < column_cost),
            DIAGONAL,
            np.where((row_cost < diagonal_cost) & (row_cost < column_cost), NEXT_ROW, NEXT_COLUMN),
        )
        cumulative_cost[row, column] = costs[row - 1, column - 1] + np.choose(
            moves, (diagonal_cost, row_cost, column_cost)
        )
        trace[row, column] = moves
    return _backtrace(trace)


DIAGONAL, NEXT_ROW, NEXT_COLUMN = 0, 1, 2


def _backtrace(trace: np.ndarray) -> np.ndarray:
    trace[:, 0], trace[0, :] = NEXT_ROW, NEXT_COLUMN
    row, column = trace.shape[0] - 1, trace.shape[1] - 1
    path: list[tuple[int, int]] = []
    while row > 0 or column > 0:
        path.append((row - 1, column - 1))
        move = trace[row, column]
        row, column = row - (move != NEXT_COLUMN), column - (move != NEXT_ROW)
    return np.array(path[::-1]).T


def median_filter(values: np.ndarray, width: int) -> np.ndarray:
    """Replace each value by the median of `width` values around it along the last axis, mirrored at the ends."""
    half = width // 2
    if values.shape[-1] <= half:
        return values
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1), axis=-1)


timing.dtw, timing.median_filter = dtw, median_filter
