"""Finds the lines of text in a picture: PP-OCRv6's detector, window by window."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rapidocr.ch_ppocr_det.utils import DBPostProcess

from model_runtime.catalog.builtin_models import OCR_WINDOW_PIXELS
from model_runtime.engines.ocr.session import THREADS, open_session

MAX_WIDTH = 2048
"""Wider pictures are shrunk to it for the search."""
MIN_SIDE = 736
"""Smaller pictures are enlarged, at most by `MAX_ENLARGEMENT`; the value is rapidocr's `limit_side_len`."""
MAX_ENLARGEMENT = 2.0
CUT_SHARE = 0.25
"""A window ends in the largest gap of its last part, so that no line of text is cut."""
GRID = 32
"""The network takes sides that are multiples of this."""

Quad = np.ndarray
"""The corners of a line, clockwise from its upper left, float32 of shape (4, 2), in pixels of the picture."""


class TextDetector:
    """The detector's network, with rapidocr's way from its map of probabilities to boxes and rapidocr's thresholds."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, THREADS)
        self._find_boxes = DBPostProcess(thresh=0.3, box_thresh=0.5, max_candidates=3000, unclip_ratio=1.6)

    def find(self, window: np.ndarray, scale: float) -> list[Quad]:
        """Return the lines of text in a window: uint8 of shape (rows, columns, 3), BGR; it is searched at `scale`."""
        height, width = window.shape[:2]
        sides = [max(GRID, round(side * scale / GRID) * GRID) for side in (width, height)]
        pixels = cv2.resize(window, sides).astype(np.float32) / 127.5 - 1
        (probabilities,) = self._session.run(None, {"x": pixels.transpose(2, 0, 1)[None]})
        boxes, _ = self._find_boxes(probabilities, (height, width))
        return list(boxes)


def scale_for_search(width: int, height: int) -> float:
    """Return by how much a picture is enlarged or shrunk for the search."""
    if width > MAX_WIDTH:
        return MAX_WIDTH / width
    return min(max(1.0, MIN_SIDE / min(width, height)), MAX_ENLARGEMENT)


def windows(picture: np.ndarray, scale: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the top row and the pixels of each window of a picture, from the top; the windows cover it once."""
    height, width = picture.shape[:2]
    rows = max(1, int(OCR_WINDOW_PIXELS / width / scale**2))
    top = 0
    while top < height:
        end = top + rows
        if end < height:
            end = middle_of_gap(picture, end - int(CUT_SHARE * rows), end)
        yield top, picture[top:end]
        top = end


def middle_of_gap(picture: np.ndarray, first: int, end: int) -> int:
    """Return the middle of the most rows in `first`..`end` that differ least from left to right: no text is there."""
    steps = np.abs(np.diff(picture[first:end].astype(np.int16).sum(axis=2), axis=1)).sum(axis=1)
    changes = np.flatnonzero(np.diff(steps == steps.min(), prepend=False, append=False))
    starts, ends = changes[::2], changes[1::2]
    longest = int((ends - starts).argmax())
    return first + int(starts[longest] + ends[longest]) // 2
