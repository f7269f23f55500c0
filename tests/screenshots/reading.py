"""Reads screenshots with the engine itself, in this process."""

from model_runtime.catalog.builtin_models import OCR_FOLDER, OCR_MODEL
from model_runtime.engines.ocr.engine import OcrEngine
from model_runtime.events import ChatResult
from model_runtime.loading import LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message


def open_engine() -> OcrEngine:
    """Return the engine with its model."""
    engine = OcrEngine()
    engine.load(LoadSpec(OCR_MODEL.name, OCR_MODEL.engine, {"model": str(OCR_FOLDER)}), lambda stage, fraction: None)
    return engine


def read(engine: OcrEngine, picture: ImageData) -> ChatResult:
    """Return what the engine reads in a picture."""
    *_, result = engine.run(Chat(OCR_MODEL.name, (Message("user", (picture,)),)), lambda: None)
    if not isinstance(result, ChatResult):
        raise TypeError(result)
    return result
