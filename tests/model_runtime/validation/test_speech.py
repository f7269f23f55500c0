"""Speech that cannot be spoken is refused before a model is loaded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.requests import Speak, Task
from model_runtime.validation.speech import MAX_CHARACTERS, validate

GOOD = Speak("tts-fast", "Hello there.")
MODEL = Model("tts-fast", Task.SPEECH, "mlx-audio", "")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A Kokoro with one voice."""
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "af_heart.safetensors").touch()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "kokoro"}), encoding="utf-8")
    return {"model": tmp_path}


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        replace(GOOD, text="7", speed=0.25),
        replace(GOOD, text="x" * MAX_CHARACTERS, speed=4.0, voice="onyx"),
        replace(GOOD, text="¿Qué tal?", language="es", voice="af_heart"),
    ],
)
def test_what_can_be_spoken_passes(request_: Speak, folders: dict[str, Path]) -> None:
    validate(request_, MODEL, folders)


@pytest.mark.promise("speech:bad-values-refused")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (replace(GOOD, text=""), "text", "nothing to speak"),
        (replace(GOOD, text=" ... !? \U0001f600"), "text", "nothing to speak"),
        (replace(GOOD, text="x" * 20_001), "text", "20001 characters; at most 20000"),
        (replace(GOOD, speed=0.2), "speed", "0.2; it must be from 0.25 to 4"),
        (replace(GOOD, speed=5), "speed", "5; it must be"),
        (replace(GOOD, speed=float("nan")), "speed", "nan"),
        (replace(GOOD, voice="bob"), "voice", "Voices: af_heart"),
        (replace(GOOD, language="xx"), "language", "no language 'xx'"),
        (replace(GOOD, text="안녕하세요"), "text", "cannot speak Korean, only English"),
    ],
)
def test_what_cannot_be_spoken_is_refused(request_: Speak, param: str, words: str, folders: dict[str, Path]) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        validate(request_, MODEL, folders)

    assert refused.value.param == param
