"""Reads single lines of text: PP-OCRv6's recognizer, in batches of lines of similar length.

Two batches are read at once, because threads that share one wait for each other at every layer: 8 % less processor time.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr.utils.process_img import get_rotate_crop_image

from model_runtime.engines.ocr.detector import Quad
from model_runtime.engines.ocr.session import THREADS, open_session

LINE_ROWS = 48
"""Rows of a line as the network reads it."""
MAX_COLUMNS = 3200
NARROWING = 0.8
"""Lines are read this much narrower than they are, in as much less time: 8 of 14 864 Latin characters of screenshots are
wrong either way; 0.7 misreads small condensed letters."""
BATCH_COLUMNS = 1280
"""Columns of all lines of a batch together, which bounds its memory and its time: the memory of larger ones is taken
from the system and given back at every step."""
BATCHES_AT_ONCE = 2
"""Each takes memory, and a small computer has two processors."""

Reading = tuple[str, float]
"""The text of a line, and the mean probability of its characters, 0..1."""


class TextRecognizer:
    """The recognizer's network and its alphabet."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, max(1, THREADS // BATCHES_AT_ONCE))
        alphabet = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._decode = CTCLabelDecode(character=alphabet)

    def read(self, picture: np.ndarray, quads: Sequence[Quad]) -> Iterator[dict[int, Reading]]:
        """Yield index → reading for `BATCHES_AT_ONCE` batches of the lines, short lines first."""
        crops = [to_line(get_rotate_crop_image(picture, np.array(quad, np.float32))) for quad in quads]
        waiting = list(batches([crop.shape[1] for crop in crops]))
        with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
            for start in range(0, len(waiting), BATCHES_AT_ONCE):
                together = waiting[start : start + BATCHES_AT_ONCE]
                found = pool.map(self._read_batch, ([crops[index] for index in batch] for batch in together))
                yield dict(zip(chain(*together), chain(*found), strict=True))

    def _read_batch(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        pixels = np.zeros((len(crops), 3, LINE_ROWS, max(crop.shape[1] for crop in crops)), np.float32)
        for row, crop in enumerate(crops):
            pixels[row, :, :, : crop.shape[1]] = crop.transpose(2, 0, 1) / 127.5 - 1
        (probabilities,) = self._session.run(None, {"x": pixels})
        readings, _ = self._decode(probabilities)
        return list(readings)


def to_line(crop: np.ndarray) -> np.ndarray:
    """Return a line scaled to the rows of the network, and narrowed."""
    columns = round(crop.shape[1] * LINE_ROWS / crop.shape[0] * NARROWING)
    return cv2.resize(crop, (min(max(columns, 8), MAX_COLUMNS), LINE_ROWS))


def batches(columns: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of lines of similar length, at most `BATCH_COLUMNS` with their padding."""
    batch: list[int] = []
    for index in sorted(range(len(columns)), key=columns.__getitem__):
        if batch and (len(batch) + 1) * columns[index] > BATCH_COLUMNS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
