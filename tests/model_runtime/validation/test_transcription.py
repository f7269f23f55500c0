"""Recordings and languages a recogniser cannot take are refused before it is loaded."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.media.types import Audio
from model_runtime.requests import Task, Transcribe
from model_runtime.validation.transcription import validate

GOOD = Transcribe("stt-fast", Audio(16_000, bytes(32_000)))
MODEL = Model("stt-fast", Task.TRANSCRIPTION, "mlx-whisper", "")
LARGE = {"n_vocab": 51_866, "n_audio_layer": 32, "n_text_layer": 32}
TURBO = {"n_vocab": 51_866, "n_audio_layer": 32, "n_text_layer": 4}
TURBO_OF_TRANSFORMERS = {"vocab_size": 51_866, "encoder_layers": 32, "decoder_layers": 4}
ENGLISH = {"n_vocab": 51_864, "n_audio_layer": 4, "n_text_layer": 4}


def folders(tmp_path: Path, config: dict[str, Any]) -> dict[str, Path]:
    """A model with this configuration."""
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return {"model": tmp_path}


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (TURBO, {}),
        (TURBO, {"audio": Audio(16_000, bytes(1_600))}),
        (TURBO, {"language": "ko-KR", "temperature": 0.0}),
        (TURBO, {"language": "Korean", "temperature": 1.0}),
        (LARGE, {"translate": True}),
        (ENGLISH, {"language": "en-GB"}),
        ({}, {"translate": True, "language": "ko"}),
    ],
)
def test_what_can_be_written_down_passes(tmp_path: Path, config: dict[str, Any], changes: dict[str, Any]) -> None:
    validate(replace(GOOD, **changes), MODEL, folders(tmp_path, config))


@pytest.mark.promise("transcription:bad-values-refused")
@pytest.mark.parametrize(
    ("config", "changes", "param", "words"),
    [
        (LARGE, {"audio": Audio(16_000, bytes(1_000))}, "audio", "31 ms; at least 50 ms"),
        (LARGE, {"audio": Audio(16_000, b"")}, "audio", "0 ms"),
        (LARGE, {"audio": Audio(16_000, bytes(1_598))}, "audio", "50 ms; at least 50 ms"),
        (LARGE, {"temperature": -0.1}, "temperature", "must be from 0 to 1"),
        (LARGE, {"language": "klingon"}, "language", "no language 'klingon'"),
        (LARGE, {"temperature": 1.5}, "temperature", "1.5; it must be from 0 to 1"),
        (TURBO, {"translate": True}, "translate", "cannot translate.*stt-best"),
        (TURBO_OF_TRANSFORMERS, {"translate": True}, "translate", "stt-best"),
        (ENGLISH, {"language": "de"}, "language", "only supports English, not German.*stt-fast"),
        (ENGLISH, {"translate": True}, "translate", "stt-best"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_down_is_refused(
    tmp_path: Path, config: dict[str, Any], changes: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        validate(replace(GOOD, **changes), MODEL, folders(tmp_path, config))

    assert refused.value.param == param
