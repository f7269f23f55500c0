"""Word timestamps: mlx-whisper's alignment, with dynamic time warping in numpy instead of numba."""

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
    """Add "words" to the segments of one window, and set the segments' "start" and "end" to those of the words.

    `segments` have the fields of mlx-whisper's own; `mel` is (3000, mels), of which `frames` hold sound. If the
    alignment finds no duration for a segment, the segment keeps its times and the words divide them.
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
    """Divide the time from `start` to `end` (seconds) among words in proportion to their characters."""
    total_characters = sum(len(word["word"]) for word in words)
    characters_before = 0
    for word in words:
        word["start"] = start + (end - start) * characters_before / total_characters
        characters_before += len(word["word"])
        word["end"] = start + (end - start) * characters_before / total_characters


def dtw(costs: np.ndarray) -> np.ndarray:
    """Return the cheapest path through costs (tokens, frames) as indices (2, steps), by dynamic time warping.

    Equal to mlx_whisper.timing.dtw, but vectorized: cells of one antidiagonal depend only on the two before it.
    """
    rows, columns = costs.shape
    cumulative_cost = np.full((rows + 1, columns + 1), np.inf, np.float32)
    trace = np.full((rows + 1, columns + 1), NEXT_COLUMN, np.int8)
    cumulative_cost[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        diagonal_cost = cumulative_cost[row - 1, column - 1]
        row_cost, column_cost = cumulative_cost[row - 1, column], cumulative_cost[row, column - 1]
        moves = np.where(
            (diagonal_cost < row_cost) & (diagonal_cost < column_cost),
            DIAGONAL,
            np.where((row_cost < diagonal_cost) & (row_cost < column_cost), NEXT_ROW, NEXT_COLUMN),
        )
        cheapest = np.choose(moves, (diagonal_cost, row_cost, column_cost))
        cumulative_cost[row, column] = costs[row - 1, column - 1] + cheapest
        trace[row, column] = moves
    return _backtrace(trace)


DIAGONAL, NEXT_ROW, NEXT_COLUMN = 0, 1, 2
"""Moves of the path, as mlx-whisper numbers them."""


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
    """Return the median of `width` values around each value along the last axis; the ends are mirrored.

    Equal to mlx_whisper.timing.median_filter, without scipy.
    """
    half = width // 2
    if values.shape[-1] <= half:
        return values
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1), axis=-1)


def install_numpy_alignment() -> None:
    """Replace mlx-whisper's dtw and median_filter, which need numba and scipy.

    Tests in `test_mlx_whisper_patches` fail as soon as the library's own work without them.
    """
    timing.dtw, timing.median_filter = dtw, median_filter


install_numpy_alignment()
