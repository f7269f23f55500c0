"""Which voice and language a text is spoken with, told from small files of the model."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.voices import (
    OPENAI_VOICES,
    VoiceCatalog,
    VoiceSelection,
    read_voices,
)
from model_runtime.errors import InvalidInput

KOKORO = VoiceCatalog(
    "kokoro",
    ("af_alloy", "af_heart", "am_onyx", "bf_emma", "ef_dora", "pm_alex"),
    ("en", "es", "fr", "hi", "it", "pt"),
    {"af_alloy": "en", "af_heart": "en", "am_onyx": "en", "bf_emma": "en", "ef_dora": "es", "pm_alex": "pt"},
)
STARTER = VoiceCatalog("kitten_tts", ("alma", "otto"), ("en",))
QWEN = VoiceCatalog("qwen3_tts", ("vivian", "ryan", "sohee"), ("en", "zh", "ko", "ja"))


def folder(tmp_path: Path, config: dict[str, Any], *files: str) -> Path:
    """A model's folder with empty files."""
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_kokoro_has_the_voices_of_its_folder_that_it_has_words_for(tmp_path: Path) -> None:
    found = read_voices(
        folder(tmp_path, {"istftnet": {}}, "voices/bf_emma.safetensors", "voices/jf_alpha.safetensors", "voices/x.txt")
    )

    assert found.family == "kokoro"
    assert found.names == ("bf_emma",)
    assert "ja" not in found.languages


def test_the_built_in_voices_are_read_from_their_archive(tmp_path: Path) -> None:
    path = folder(tmp_path, {"model_type": "kitten_tts"})
    with zipfile.ZipFile(path / "voices.npz", "w") as archive:
        archive.writestr("otto.npy", b"")
        archive.writestr("alma.npy", b"")

    assert read_voices(path) == STARTER


def test_marvis_has_a_voice_for_every_recording(tmp_path: Path) -> None:
    found = read_voices(folder(tmp_path, {"model_type": "csm"}, "prompts/conversational_a.wav", "prompts/a.txt"))

    assert (found.family, found.names, found.languages) == ("sesame", ("conversational_a",), ("en", "fr", "de"))


def test_qwen_names_its_voices_and_languages_in_its_configuration(tmp_path: Path) -> None:
    talker = {"spk_id": {"sohee": 1, "ryan": 2}, "codec_language_id": {"korean": 1, "english": 2, "beijing_dialect": 3}}

    found = read_voices(folder(tmp_path, {"model_type": "qwen3_tts", "talker_config": talker}))

    assert (found.names, found.languages) == (("sohee", "ryan"), ("en", "ko"))


def test_other_models_and_broken_folders_have_no_voices(tmp_path: Path) -> None:
    other = read_voices(folder(tmp_path, {"model_type": "llama"}))
    missing = read_voices(tmp_path / "nowhere")

    assert (other.names, other.languages) == ((), ())
    assert (missing.names, missing.languages) == ((), ())


@pytest.mark.parametrize(
    ("book", "asked", "choice"),
    [
        (KOKORO, {}, VoiceSelection("af_heart", "en")),
        (KOKORO, {"text": "Hola, ¿qué tiempo hace hoy en Madrid?"}, VoiceSelection("ef_dora", "es")),
        (KOKORO, {"text": "Hola, ¿qué tiempo hace hoy en Madrid?", "voice": "alloy"}, VoiceSelection("ef_dora", "es")),
        (KOKORO, {"text": "Hola, ¿qué tiempo hace hoy en Madrid?", "voice": "bf_emma"}, VoiceSelection("bf_emma", "es")),
        (KOKORO, {"text": "Die hard"}, VoiceSelection("af_heart", "en")),
        (KOKORO, {"voice": "auto"}, VoiceSelection("af_heart", "en")),
        (KOKORO, {"voice": "default", "language": "es"}, VoiceSelection("ef_dora", "es")),
        (KOKORO, {"voice": "BF_EMMA"}, VoiceSelection("bf_emma", "en")),
        (KOKORO, {"voice": "ef_dora"}, VoiceSelection("ef_dora", "es")),
        (KOKORO, {"language": "es-MX"}, VoiceSelection("ef_dora", "es")),
        (KOKORO, {"language": "Portuguese"}, VoiceSelection("pm_alex", "pt")),
        (KOKORO, {"language": "it"}, VoiceSelection("af_heart", "it")),
        (KOKORO, {"voice": "af_alloy", "language": "fr"}, VoiceSelection("af_alloy", "fr")),
        (STARTER, {}, VoiceSelection("alma", "en")),
        (QWEN, {"language": "ko", "text": "12"}, VoiceSelection("sohee", "ko")),
        (QWEN, {"text": "안녕하세요"}, VoiceSelection("sohee", "ko")),
        (QWEN, {"text": "안녕하세요", "voice": "ryan"}, VoiceSelection("ryan", "ko")),
    ],
)  # fmt: skip
def test_what_is_not_said_is_chosen_to_fit(book: VoiceCatalog, asked: dict[str, str], choice: VoiceSelection) -> None:
    assert book.select("tts", **{"text": "hello", **asked}) == choice


@pytest.mark.promise("speech:openai-voices")
@pytest.mark.parametrize("name", OPENAI_VOICES)
@pytest.mark.parametrize("book", [KOKORO, STARTER, QWEN], ids=["kokoro", "starter", "qwen"])
def test_every_voice_of_openai_means_one_of_ours(book: VoiceCatalog, name: str) -> None:
    assert book.select("tts", "hello", voice=name).voice in book.names


def test_onyx_and_alloy_sound_different() -> None:
    onyx, alloy = (STARTER.select("tts", "hello", voice=name).voice for name in ("onyx", "alloy"))

    assert (onyx, alloy) == ("otto", "alma")


@pytest.mark.promise("speech:unknown-voice-lists")
def test_an_unknown_voice_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="no voice 'bob'.*alma, otto") as refused:
        STARTER.select("tts-starter", "hello", voice="bob")

    assert (refused.value.param, refused.value.code) == ("voice", "unknown_voice")


def test_a_voice_of_a_language_without_a_text_front_end_is_refused_with_that_reason(tmp_path: Path) -> None:
    voices = read_voices(
        folder(tmp_path, {"istftnet": {}}, "voices/bf_emma.safetensors", "voices/jf_alpha.safetensors")
    )

    with pytest.raises(
        InvalidInput, match="Senses cannot speak Japanese with kokoro, so its voice 'jf_alpha'"
    ) as refused:
        voices.select("kokoro", "konnichiwa", voice="jf_alpha")

    assert "Voices: bf_emma." in refused.value.message


@pytest.mark.promise("speech:never-garbage")
@pytest.mark.parametrize(
    ("asked", "words", "param"),
    [
        ({"text": "안녕하세요"}, "tts-fast cannot speak Korean", "text"),
        ({"text": "こんにちは"}, "cannot speak Japanese", "text"),
        ({"text": "hallo", "language": "de"}, "cannot speak German", "language"),
        ({"text": "γειά"}, "cannot speak Greek", "text"),
        ({"text": "안녕하세요", "language": "en"}, "another script \\(Hangul\\)", "language"),
        ({"text": "ሰላም"}, "another script \\(Ethiopic\\)", "text"),
        ({"text": "hello", "language": "klingon"}, "There is no language 'klingon'", "language"),
    ],
)  # fmt: skip
def test_a_language_it_cannot_speak_is_refused(asked: dict[str, str], words: str, param: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        KOKORO.select("tts-fast", **asked)

    assert refused.value.param == param


def test_digits_are_read_in_the_language_asked_for() -> None:
    assert QWEN.select("tts", "2026", language="ko").language == "ko"


def test_a_model_of_many_languages_reads_foreign_names_in_their_letters() -> None:
    assert QWEN.select("tts", "ChatGPT", language="ko").language == "ko"
