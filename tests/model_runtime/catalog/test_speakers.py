"""Who speaks a text: the model that was asked for, or another when the caller left that open."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog.builtin_models import ALIASES_BY_TIER, REAL_MODELS, STARTER_MODELS
from model_runtime.catalog.catalog import Catalog
from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.catalog.speakers import by_preference, choose_speaker
from model_runtime.catalog.voices import LANGUAGES_BY_ALIAS
from model_runtime.errors import InvalidInput
from model_runtime.prepare import PreparedRequest, RequestPreparer
from model_runtime.requests import Speak, Task
from model_runtime.validation import validate

KOREAN = "안녕하세요, 오늘 날씨가 좋네요."
SPEECH_MODELS = {model.name: model for model in (*REAL_MODELS, *STARTER_MODELS) if model.task is Task.SPEECH}
LOCAL = Model("my-voice", Task.SPEECH, "mlx-audio", "Korean only")
LANGUAGES = {**LANGUAGES_BY_ALIAS, "tts-starter": ("en",), "my-voice": ("ko",)}
MODELS = {**SPEECH_MODELS, LOCAL.name: LOCAL}
QWEN = {
    "model_type": "qwen3_tts",
    "talker_config": {"spk_id": {"ryan": 1, "sohee": 2}, "codec_language_id": {"english": 1, "korean": 2}},
}

HEADER = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
ONE_TENSOR = len(HEADER).to_bytes(8, "little") + HEADER + b"\0"


class Disk:
    """A store with one folder of each of these repositories."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def find(self, artifact: ModelArtifact) -> Path | None:
        return self.folders.get(artifact.repo)


def installed(tmp_path: Path, *aliases: str) -> Catalog:
    """Return a catalogue on a machine that has the starters and these models, by their small files."""
    folders = {}
    for alias in aliases:
        (folder := tmp_path / alias).mkdir()
        config = QWEN if alias == "tts-multilingual" else {"istftnet": {}}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "model.safetensors").write_bytes(ONE_TENSOR)
        (folder / "voices").mkdir()
        (folder / "voices" / "af_heart.safetensors").write_bytes(ONE_TENSOR)
        folders[SPEECH_MODELS[alias].artifacts[0].repo] = folder
    return Catalog((*REAL_MODELS, *STARTER_MODELS), Disk(folders), prefer_starters=True)


async def prepared(catalog: Catalog, request: Speak) -> PreparedRequest:
    return await RequestPreparer(catalog, validate).prepare(request, is_loaded=lambda model: False)


@pytest.mark.promise("speech:never-garbage")
@pytest.mark.parametrize("model", ["tts-fast", "auto", "fast", "best", "", "tts-1", "gpt-4o-mini-tts"])
@pytest.mark.parametrize("aliases", [(), ("tts-fast",)])
async def test_korean_on_a_machine_without_a_korean_voice_says_what_to_download(
    tmp_path: Path, model: str, aliases: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput, match="cannot speak Korean") as refused:
        await prepared(installed(tmp_path, *aliases), Speak(model, KOREAN))

    assert "tts-multilingual (1.7 GB)" in refused.value.message
    assert refused.value.message.endswith("Run: senses pull tts-multilingual")
    assert (refused.value.code, refused.value.param) == ("unsupported_language", "text")


@pytest.mark.promise("speech:other-model-told")
@pytest.mark.parametrize("model", ["auto", "fast", "", "tts-1"])
@pytest.mark.parametrize("voice", ["", "alloy", "auto"])
async def test_korean_goes_to_an_installed_model_that_speaks_it_and_the_answer_says_so(
    tmp_path: Path, model: str, voice: str
) -> None:
    answer = await prepared(installed(tmp_path, "tts-fast", "tts-multilingual"), Speak(model, KOREAN, voice=voice))

    assert (answer.model.name, answer.request.model) == ("tts-multilingual", "tts-multilingual")
    assert answer.warnings == ("tts-fast cannot speak Korean, so tts-multilingual spoke the text.",)
    assert answer.is_other_model


@pytest.mark.promise("speech:never-garbage")
@pytest.mark.parametrize(("model", "voice"), [("tts-fast", ""), ("auto", "af_heart")])
async def test_a_model_or_voice_that_was_named_is_never_replaced(tmp_path: Path, model: str, voice: str) -> None:
    with pytest.raises(InvalidInput, match="tts-fast cannot speak Korean.*Use model tts-multilingual"):
        await prepared(installed(tmp_path, "tts-fast", "tts-multilingual"), Speak(model, KOREAN, voice=voice))


async def test_what_the_model_speaks_stays_with_it_without_a_word(tmp_path: Path) -> None:
    answer = await prepared(installed(tmp_path, "tts-fast", "tts-multilingual"), Speak("auto", "Hello, how are you?"))

    assert (answer.model.name, answer.warnings, answer.is_other_model) == ("tts-fast", (), False)


async def test_spanish_is_not_read_by_an_english_starter(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"tts-starter cannot speak Spanish.*tts-fast \(0.4 GB\).*senses pull tts-fast"
    ):
        await prepared(installed(tmp_path), Speak("auto", "Mi hermana vive en una casa pequeña cerca del mar."))


def test_a_language_that_nobody_speaks_is_refused_as_that() -> None:
    with pytest.raises(InvalidInput, match="tts-fast cannot speak Greek.*No built-in model can"):
        speaker(Speak("auto", "γειά"), "tts-fast", ["tts-multilingual"])


def speaker(request: Speak, meant: str, present: Sequence[str]) -> str:
    """Return the name of the model that speaks."""
    return choose_speaker(
        request,
        MODELS[meant],
        languages_of=lambda model: LANGUAGES[model.name],
        installed=lambda: by_preference(MODELS[name] for name in present),
        is_named=request.model not in ALIASES_BY_TIER[Task.SPEECH],
    ).model.name


@pytest.mark.promise("speech:never-garbage")
@given(
    meant=st.sampled_from(sorted(MODELS)),
    present=st.sets(st.sampled_from(sorted(MODELS))),
    language=st.sampled_from(["en", "es", "fr", "it", "pt", "de", "ko", "ja", "zh", "hi", "ru", "el", "nl"]),
    model=st.sampled_from(["auto", "fast", "best", "tts-fast"]),
)
def test_on_every_machine_a_text_is_spoken_by_who_can_or_refused_with_who_could(
    meant: str, present: set[str], language: str, model: str
) -> None:
    able = {name for name in present if language in LANGUAGES[name]}
    offered = {alias for alias in LANGUAGES_BY_ALIAS if language in LANGUAGES_BY_ALIAS[alias]}
    refusal, name = "", ""
    try:
        name = speaker(Speak(model, "1", language=language), meant, sorted(present))
    except InvalidInput as refused:
        refusal = refused.message

    if language in LANGUAGES[meant]:
        assert name == meant
    elif able and model != "tts-fast":
        assert name in able
    else:
        assert any(other in refusal for other in able or offered or {"No built-in model can"})
