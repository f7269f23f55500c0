"""The settings of a session: only what is sent changes, and what cannot be done is refused or told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput
from openai_compat.api.realtime.settings import SessionSettings, from_beta, session_json

NAMES = (
    "type",
    "audio",
    "input",
    "format",
    "rate",
    "transcription",
    "model",
    "turn_detection",
    "threshold",
    "include",
    "x",
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["server_vad", "", "audio/pcmu"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def updated(*changes: object) -> SessionSettings:
    settings = SessionSettings()
    for each in changes:
        settings = settings.updated(each)
    return settings


def sound(**fields: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": fields}}


def test_only_what_is_sent_changes() -> None:
    settings = updated(
        sound(turn_detection={"type": "server_vad", "threshold": 0.7}),
        sound(transcription={"language": "ko"}),
        sound(turn_detection={"silence_duration_ms": 900}),
    )

    turns, heard = settings.audio.input.turn_detection, settings.audio.input.transcription
    assert turns is not None
    assert heard is not None
    assert (turns.threshold, turns.silence_duration_ms, turns.prefix_padding_ms) == (0.7, 900, 300)
    assert heard.language == "ko"


def test_null_turns_off_what_can_be_off_and_leaves_the_rest() -> None:
    settings = updated(sound(turn_detection=None, transcription=None, format=None))

    assert settings.audio.input.turn_detection is None
    assert settings.audio.input.transcription is None
    assert settings.audio.input.format.type == "audio/pcm"
    assert updated(sound(turn_detection=None), sound(turn_detection={"type": "server_vad"})) == SessionSettings()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        (None, "session"),
        ([], "session"),
        ({"type": "realtime"}, "session.type"),
        ({"audio": 3}, "session.audio"),
        (sound(format={"type": "audio/mp3"}), "session.audio.input.format.type"),
        (sound(format={"type": "audio/pcm", "rate": 16000}), "session.audio.input.format.rate"),
        (sound(turn_detection={"type": "semantic_vad"}), "session.audio.input.turn_detection.type"),
        (sound(turn_detection={"threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (sound(turn_detection={"prefix_padding_ms": 1e9}), "session.audio.input.turn_detection.prefix_padding_ms"),
        (sound(turn_detection={"silence_duration_ms": 1}), "session.audio.input.turn_detection.silence_duration_ms"),
        (sound(transcription={"prompt": "x" * 30_000}), "session.audio.input.transcription.prompt"),
        (sound(transcription={"model": 5}), "session.audio.input.transcription.model"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(changes: object, param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        updated(changes)

    assert refused.value.param == param


@pytest.mark.promise("openai:nothing-ignored-silently")
def test_a_setting_without_effect_is_told() -> None:
    settings = updated(
        sound(
            noise_reduction={"type": "near_field"},
            transcription={"delay": "low", "languages": ["en", "ko"]},
            turn_detection={"create_response": True, "interrupt_response": True, "idle_timeout_ms": 5000},
        )
        | {"include": ["item.input_audio_transcription.logprobs"]}
    )

    told = session_json(settings, "sess_1", beta=False)["senses"]["warnings"]

    assert {warning.split()[0] for warning in told} == {
        "noise_reduction",
        "transcription.delay",
        "transcription.languages",
        "turn_detection.create_response",
        "turn_detection.interrupt_response",
        "turn_detection.idle_timeout_ms",
        "include",
    }
    assert session_json(SessionSettings(), "sess_1", beta=False)["senses"]["warnings"] == []


def test_keywords_help_and_a_single_language_is_the_language() -> None:
    heard = updated(sound(transcription={"prompt": "Shapes.", "keywords": ["star", "heart"], "languages": ["en"]}))

    transcription = heard.audio.input.transcription
    assert transcription is not None
    assert (transcription.whole_prompt, transcription.only_language) == ("Shapes. star, heart", "en")


def test_the_words_of_the_beta_mean_the_same() -> None:
    flat = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": None,
    }

    settings = updated(from_beta(flat))

    assert settings.audio.input.format.type == "audio/pcmu"
    assert (
        session_json(settings, "sess_1", beta=True).items()
        >= {"input_audio_format": "g711_ulaw", "turn_detection": None}.items()
    )
    with pytest.raises(InvalidInput, match="mp3"):
        updated(from_beta({"input_audio_format": "mp3"}))


@given(changes=VALUES)
def test_any_changes_are_taken_or_refused_by_their_name(changes: object) -> None:
    assert taken_or_named(changes).startswith("sess")
    assert taken_or_named(from_beta(changes)).startswith("sess")


def taken_or_named(changes: object) -> str:
    """Return the id of the session with these changes, or the name of the field that is refused."""
    try:
        return str(session_json(updated(changes), "sess_1", beta=True)["id"])
    except InvalidInput as error:
        return str(error.param)
