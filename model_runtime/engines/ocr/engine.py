"""The OCR engine: the text of one picture, line by line, with its place."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from model_runtime.catalog.builtin_models import OCR_DETECTOR, OCR_RECOGNIZER
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.ocr.detector import Quad, TextDetector, scale_for_search, windows
from model_runtime.engines.ocr.geometry import Box, bounds, ink_box, with_room_below
from model_runtime.engines.ocr.reading_order import reading_rows
from model_runtime.engines.ocr.recognizer import Reading, TextRecognizer
from model_runtime.engines.protocol import CancelCheck, LoadReporter
from model_runtime.errors import InvalidInput, LoadFailed
from model_runtime.events import ChatResult, EngineEvent, Progress, Result, TextDelta, TextLine
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.release_memory import release_memory, share_one_heap
from model_runtime.requests import Chat, Request

MIN_CONFIDENCE = 0.6
"""Less certain readings are left out: they are edges of pictures, or of a script that the model does not know."""
MIN_CONFIDENCE_OF_A_SIGN = 0.95
"""The same for readings without a letter or digit: the edges of boxes and bars look like dashes."""
MIN_UNREAD_LINES, MIN_UNREAD_SHARE = 2, 0.2
"""From when on a picture has lines that cannot be read; a few edges that look like text are in many."""
LINE_ASPECT = 1.5
"""What is not this much wider than high may be an icon instead of a line."""
COLUMN_GAP = "  "
"""Between texts that stand side by side, as the cells of a table do."""


class OcrEngine:
    """Read the text of pictures."""

    takes_turns = True

    _detector: TextDetector
    _recognizer: TextRecognizer

    def __init__(self) -> None:
        self._model_name = ""

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load both networks.

        Raises:
            LoadFailed: a network is missing or unreadable.
        """
        self._model_name, folder = spec.model, Path(spec.folders["model"])
        report_progress("weights", 0.0)
        share_one_heap()
        try:
            self._detector = TextDetector(folder / OCR_DETECTOR)
            self._recognizer = TextRecognizer(folder / OCR_RECOGNIZER)
            weights_bytes = sum((folder / name).stat().st_size for name in (OCR_DETECTOR, OCR_RECOGNIZER))
        except Exception as error:  # onnxruntime's exceptions have no common class
            if is_fatal(error):
                raise
            raise LoadFailed(
                f"{spec.model} could not be loaded from {folder}: {error}. Install Senses again."
            ) from error
        report_progress("weights", 1.0)
        return LoadedModel(weights_bytes=weights_bytes, active_bytes=weights_bytes, peak_bytes=weights_bytes)

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Yield `Progress` in rows of pixels, then in lines, a `TextDelta` for each row, and a `ChatResult` with `lines`.

        Raises:
            InvalidInput: the request is not a chat with one image.
            Cancelled: `check_cancelled` raised it between two windows or batches of lines.
        """
        image = only_image(request, self._model_name)
        picture = to_bgr(image)
        quads: list[Quad] = []
        search_scale = scale_for_search(image.width, image.height)
        for top, window in windows(picture, search_scale):
            yield Progress("rows", top, len(picture))
            check_cancelled()
            quads += [quad + np.array([0, top], np.float32) for quad in self._detector.find(window, search_scale)]
        readings: dict[int, Reading] = {}
        for batch in self._recognizer.read(picture, [with_room_below(quad, picture.shape) for quad in quads]):
            readings |= batch
            yield Progress("lines", len(readings), len(quads))
            check_cancelled()
        kept = [index for index in range(len(quads)) if is_text(*readings[index])]
        rows = reading_rows([ink_box(bounds(quads[index])) for index in kept])
        texts = [COLUMN_GAP.join(readings[kept[place]][0].strip() for place in row) for row in rows]
        for number, text in enumerate(texts):
            yield TextDelta(f"\n{text}" if number else text)
        scale = (image.file_size[0] / image.width, image.file_size[1] / image.height)
        order = [kept[place] for row in rows for place in row]
        lines = tuple(to_line(quads[index], readings[index], scale) for index in order)
        warnings = self._warnings(request, quads, readings)
        yield ChatResult("\n".join(texts), "stop", 0, 0, ((image.width, image.height),), warnings, lines=lines)

    def idle(self) -> None:
        """Return the memory of the last picture to the system: onnxruntime frees it in pieces, which malloc keeps."""
        release_memory()

    def _warnings(self, request: Request, quads: Sequence[Quad], readings: Mapping[int, Reading]) -> tuple[str, ...]:
        warnings = []
        if isinstance(request, Chat) and any(isinstance(part, str) for part in request.messages[-1].content):
            warnings.append(f"{self._model_name} writes down text and follows no instruction; a vision model does.")
        unread = [index for index, quad in enumerate(quads) if is_wide(bounds(quad)) and not is_text(*readings[index])]
        if len(unread) >= max(MIN_UNREAD_LINES, MIN_UNREAD_SHARE * len(quads)):
            warnings.append(
                f"{len(unread)} of {len(quads)} lines could not be read and are left out or may be wrong. "
                f"{self._model_name} reads Latin, Greek, Chinese and Japanese script, but no Korean, Cyrillic, Arabic or "
                "other. For those use vlm-best: senses pull vlm-best"
            )
        return tuple(warnings)


def only_image(request: Request, model_name: str) -> ImageData:
    """Return the image of a chat.

    Raises:
        InvalidInput: the request is no chat, or it has no image or several.
    """
    messages = request.messages if isinstance(request, Chat) else ()
    images = [part for message in messages for part in message.content if isinstance(part, ImageData)]
    if len(images) != 1:
        raise InvalidInput(f"{model_name} reads exactly one image; {len(images)} were sent.", param="messages")
    return images[0]


def to_bgr(image: ImageData) -> np.ndarray:
    """Return the pixels in the order of OpenCV: uint8 of shape (height, width, 3)."""
    rgb = np.frombuffer(image.rgb, np.uint8).reshape(image.height, image.width, 3)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def is_text(text: str, confidence: float) -> bool:
    """Return whether a reading is good enough to be shown."""
    has_letter = any(character.isalnum() for character in text)
    return bool(text.strip()) and confidence >= (MIN_CONFIDENCE if has_letter else MIN_CONFIDENCE_OF_A_SIGN)


def is_wide(box: Box) -> bool:
    """Return whether a box has the shape of a line of text."""
    return box.width >= LINE_ASPECT * box.height


def to_line(quad: Quad, reading: Reading, scale: tuple[float, float]) -> TextLine:
    """Return a line in pixels of the file; `scale` is the pixels of the file for each of the picture."""
    box = ink_box(bounds(quad))
    across, down = scale
    place = (round(box.left * across), round(box.top * down), round(box.width * across), round(box.height * down))
    return TextLine(reading[0].strip(), place, round(reading[1], 3))
