"""Validate requests before any weights are loaded. Each task has a module, which reads small files only."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.builtin_models import OCR_ENGINE
from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, Embed, GenerateImage, Request, Speak, Transcribe
from model_runtime.validation import chat, embedding, image, ocr, speech, tools, transcription


def validate(request: Request, model: Model, folders: Mapping[str, Path]) -> None:
    """Check that `model`, whose files are in `folders`, can serve a request.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
        InvalidCheckpoint: the config.json of a chat model cannot be read.
    """
    if isinstance(request, Chat):
        tools.validate(request, model, folders)
    match request:
        case Chat() if model.engine == OCR_ENGINE:
            ocr.validate(request, model)
        case Chat():
            chat.validate(request, model, folders)
        case GenerateImage():
            image.validate(request, model, folders)
        case Transcribe():
            transcription.validate(request, model, folders)
        case Speak():
            speech.validate(request, model, folders)
        case Embed():
            embedding.validate(request)
