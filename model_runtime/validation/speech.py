"""Validate requests for speech."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.catalog.voices import read_voices
from model_runtime.errors import InvalidInput
from model_runtime.requests import Speak

MAX_CHARACTERS = 20_000
MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""Range of OpenAI's parameter `speed`."""


def validate(request: Speak, model: Model, folders: Mapping[str, Path]) -> None:
    """Check text, speed, voice and language.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
    """
    validate_text(request.text)
    if not MIN_SPEED <= request.speed <= MAX_SPEED:
        accepted = f"it must be from {MIN_SPEED:g} to {MAX_SPEED:g} (1 is normal)"
        raise InvalidInput(f"speed is {request.speed:g}; {accepted}.", param="speed")
    voice_catalog = read_voices(folders["model"])
    if voice_catalog.names and voice_catalog.languages:  # else loading the model reports the error
        voice_catalog.select(model.name, request.text, voice=request.voice, language=request.language)


def validate_text(text: str) -> None:
    """Check that a text can be spoken.

    Raises:
        InvalidInput: the text has no letter or digit, or is too long.
    """
    if not any(character.isalnum() for character in text):
        raise InvalidInput(
            "The text has no letter or digit, so there is nothing to speak. Send a sentence.",
            param="text",
            code="empty_text",
        )
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"The text has {len(text)} characters; at most {MAX_CHARACTERS} can be spoken at once. Send it in parts.",
            param="text",
            code="text_too_long",
        )
