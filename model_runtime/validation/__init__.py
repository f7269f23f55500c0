"""What can be said about a request before any weights are loaded: one module per task, each reading small files only."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, GenerateImage, Request, Speak, Transcribe
from model_runtime.validation import chat, image, speech, transcription


def validate(request: Request, model: Model, folders: Mapping[str, Path]) -> None:
    """Refuse a request that `model`, whose files are in `folders`, cannot serve.

    Raises:
        InvalidInput: what is wrong and what is possible.
    """
    match request:
        case Chat():
            chat.validate(request, model, folders)
        case GenerateImage():
            image.validate(request, model, folders)
        case Transcribe():
            transcription.validate(request, model, folders)
        case Speak():
            speech.validate(request, model, folders)
