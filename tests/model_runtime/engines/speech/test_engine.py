"""Speech through the engine: the built-in voice, and tiny models of three families that hum."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime.catalog.builtin_models import REAL_MODELS, STARTER_FOLDER, STARTER_MODELS
from model_runtime.catalog.catalog import Catalog
from model_runtime.engines.speech import engine as speech_engine
from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.engines.speech.voice_model import max_audio_seconds
from model_runtime.errors import Cancelled, InvalidInput, LoadFailed
from model_runtime.events import AudioChunk, EngineEvent, Progress, Result, SpeechResult, Warnings
from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.media.types import Audio
from model_runtime.prepare import RequestPreparer
from model_runtime.requests import Speak, Transcribe
from model_runtime.validation import validate
from tests.checkpoints import kokoro, marvis, qwen3_tts
from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.weights import copy_with, load_tensors, save_tensors
from tests.model_runtime.catalog.test_speakers import Disk
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import CancelAfter, events_of_type, load, run_to_end

pytestmark = pytest.mark.engines

STARTER = STARTER_FOLDER / "tts-starter"
QWEN_REPOSITORY = "mlx-community/Qwen3-TTS-12Hz-0.6B-CustomVoice-8bit"
HELLO = Speak("tiny", "Hello.")
TWO = replace(HELLO, text="One. Two.")


@pytest.fixture(scope="module", autouse=True)
def _brief() -> Iterator[None]:
    """Random models never find an end; less than a second of them is enough."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("marvis", "qwen3_tts"):
            patch.setattr(f"model_runtime.engines.speech.{module}.max_audio_seconds", lambda _: 0.7)
        yield


def narrow(folders: dict[str, Path]) -> SpeechEngine:
    """Load a narrow checkpoint."""
    with patched_widths():
        return load(SpeechEngine(), folders)


@pytest.fixture(scope="module")
def starter() -> SpeechEngine:
    """The built-in voice."""
    return load(SpeechEngine(), {"model": STARTER})


@pytest.fixture(scope="module")
def tiny_kokoro(checkpoint: Callable[[CheckpointBuilder], Path]) -> SpeechEngine:
    """Hums at 180 Hz."""
    return narrow({"model": checkpoint(kokoro.build)})


@pytest.fixture(scope="module")
def tiny_marvis(checkpoint: Callable[[CheckpointBuilder], Path]) -> SpeechEngine:
    """Noise, in frames."""
    return narrow({"model": checkpoint(marvis.build), "codec": checkpoint(marvis.build_codec)})


@pytest.fixture(scope="module")
def tiny_qwen(checkpoint: Callable[[CheckpointBuilder], Path]) -> SpeechEngine:
    """Noise, in frames, in many languages."""
    return narrow({"model": checkpoint(qwen3_tts.build)})


@pytest.fixture(params=["starter", "tiny_kokoro", "tiny_marvis", "tiny_qwen"])
def any_engine(request: pytest.FixtureRequest) -> SpeechEngine:
    """Each family in turn."""
    engine = request.getfixturevalue(request.param)
    assert isinstance(engine, SpeechEngine)
    return engine


def pcm(events: list[EngineEvent | Result]) -> bytes:
    """All sound together."""
    return b"".join(chunk.pcm for chunk in events_of_type(AudioChunk, events))


def loudness(samples: bytes) -> float:
    """Root mean square, 0..1."""
    return float(np.sqrt(((np.frombuffer(samples, "<i2") / 32768.0) ** 2).mean()))


@pytest.mark.promise("speech:every-family")
def test_every_family_speaks(any_engine: SpeechEngine) -> None:
    events = run_to_end(any_engine, HELLO)

    result = events[-1]
    assert isinstance(result, SpeechResult)
    assert result.duration_seconds == pytest.approx(len(pcm(events)) / 2 / result.sample_rate)
    assert 0.3 < result.duration_seconds < 6
    assert (result.language, result.sample_rate) == ("en", 24_000)
    assert loudness(pcm(events)) > 0.001


@pytest.mark.promise("speech:streams-at-once")
def test_the_first_sentence_is_there_before_the_second_is_spoken(any_engine: SpeechEngine) -> None:
    events = run_to_end(any_engine, TWO)

    assert len(events_of_type(AudioChunk, events)) >= 2
    assert isinstance(events[-1], SpeechResult)


def test_progress_counts_the_characters_up_to_the_last(any_engine: SpeechEngine) -> None:
    found = events_of_type(Progress, run_to_end(any_engine, TWO))

    assert {(one.stage, one.total) for one in found} == {("characters", len(TWO.text))}
    assert [one.done for one in found] == sorted(one.done for one in found)
    assert (found[0].done, found[-1].done) == (0, len(TWO.text))


@pytest.mark.promise("speech:cancel-between-chunks")
def test_a_cancelled_job_sends_no_further_chunk(any_engine: SpeechEngine) -> None:
    sent: list[EngineEvent | Result] = []

    with pytest.raises(Cancelled):
        sent.extend(any_engine.run(TWO, CancelAfter(3)))

    assert len(events_of_type(AudioChunk, sent)) <= 2
    assert isinstance(run_to_end(any_engine, HELLO)[-1], SpeechResult)


def test_the_same_text_sounds_the_same_whatever_was_spoken_before(any_engine: SpeechEngine) -> None:
    before = pcm(run_to_end(any_engine, HELLO))
    run_to_end(any_engine, TWO)

    assert pcm(run_to_end(any_engine, HELLO)) == before


def test_the_built_in_voices_differ(starter: SpeechEngine) -> None:
    alma, otto = (run_to_end(starter, replace(HELLO, voice=voice)) for voice in ("alma", "otto"))

    assert isinstance(alma[-1], SpeechResult)
    assert alma[-1].voice == "alma"
    assert pcm(alma) != pcm(otto)


@pytest.mark.parametrize(("speed", "factor"), [(0.5, 2.0), (2.0, 0.5)])
@pytest.mark.parametrize("name", ["starter", "tiny_kokoro"])
def test_speed_changes_the_length(request: pytest.FixtureRequest, name: str, speed: float, factor: float) -> None:
    engine = request.getfixturevalue(name)
    normal, changed = (run_to_end(engine, replace(HELLO, speed=value))[-1] for value in (1.0, speed))

    assert isinstance(normal, SpeechResult)
    assert isinstance(changed, SpeechResult)
    assert changed.duration_seconds / normal.duration_seconds == pytest.approx(factor, rel=0.35)


@pytest.mark.parametrize("name", ["tiny_marvis", "tiny_qwen"])
def test_a_voice_with_a_speed_of_its_own_says_so(request: pytest.FixtureRequest, name: str) -> None:
    result = run_to_end(request.getfixturevalue(name), replace(HELLO, speed=1.5))[-1]

    assert isinstance(result, SpeechResult)
    assert result.warnings == ("tiny does not support a speed; 1.5 was ignored.",)


@pytest.mark.promise("speech:instructions")
def test_a_voice_that_takes_no_instructions_says_so(any_engine: SpeechEngine) -> None:
    result = run_to_end(any_engine, replace(HELLO, instructions="Whisper."))[-1]

    assert isinstance(result, SpeechResult)
    assert "takes no instructions; they were ignored." in result.warnings[0]


@pytest.mark.promise("speech:instructions")
def test_a_model_that_takes_instructions_speaks_otherwise_with_them(
    checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path
) -> None:
    large = narrow(
        {"model": copy_with(checkpoint(qwen3_tts.build), tmp_path / "model", config={"tts_model_size": "1b7"})}
    )

    plain, again, told = (
        run_to_end(large, replace(HELLO, instructions=words)) for words in ("", "\U0001f600", "Whisper.")
    )

    assert isinstance(told[-1], SpeechResult)
    assert told[-1].warnings == ()
    assert pcm(plain) == pcm(again)
    assert pcm(plain) != pcm(told)


def test_korean_is_spoken_by_a_model_that_can(tiny_qwen: SpeechEngine) -> None:
    result = run_to_end(tiny_qwen, replace(HELLO, text="안녕하세요."))[-1]

    assert isinstance(result, SpeechResult)
    assert (result.language, result.voice) == ("ko", "sohee")


@pytest.mark.promise("speech:other-model-told")
async def test_korean_to_a_model_left_open_is_spoken_by_the_installed_checkpoint_that_can(
    tiny_qwen: SpeechEngine, checkpoint: Callable[[CheckpointBuilder], Path]
) -> None:
    builders = {"mlx-community/Kokoro-82M-bf16": kokoro.build, QWEN_REPOSITORY: qwen3_tts.build}
    disk = Disk({repository: checkpoint(build) for repository, build in builders.items()})
    catalog = Catalog((*REAL_MODELS, *STARTER_MODELS), disk, prefer_starters=True)

    prepared = await RequestPreparer(catalog, validate).prepare(
        Speak("tts-1", "안녕하세요, 오늘 날씨가 좋네요.", voice="nova"), is_loaded=lambda model: False
    )
    result = run_to_end(tiny_qwen, prepared.request)[-1]

    assert isinstance(result, SpeechResult)
    assert (prepared.model.name, result.language, result.voice) == ("tts-multilingual", "ko", "vivian")
    assert prepared.warnings == ("tts-fast cannot speak Korean, so tts-multilingual spoke the text.",)


@pytest.mark.promise("speech:never-garbage")
@pytest.mark.parametrize("name", ["starter", "tiny_kokoro", "tiny_marvis"])
def test_korean_is_refused_by_a_model_that_cannot(request: pytest.FixtureRequest, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot speak Korean"):
        run_to_end(request.getfixturevalue(name), replace(HELLO, text="안녕하세요."))


def test_a_foreign_word_is_left_out_and_mentioned(starter: SpeechEngine) -> None:
    plain = run_to_end(starter, replace(HELLO, text="The word means hello."))
    mixed = run_to_end(starter, replace(HELLO, text="The word 안녕 means hello."))

    assert pcm(mixed) == pcm(plain)
    assert isinstance(mixed[-1], SpeechResult)
    assert mixed[0] == Warnings(mixed[-1].warnings)
    assert mixed[-1].warnings == (
        "2 of the letters were left out: they are not letters of English, and tiny cannot read them.",
    )


@pytest.mark.parametrize("language", ["fr", "es", "hi"])
def test_kokoro_speaks_its_other_languages(tiny_kokoro: SpeechEngine, language: str) -> None:
    text = "नमस्ते दुनिया" if language == "hi" else "Bonjour et hola"

    result = run_to_end(tiny_kokoro, replace(HELLO, text=text, language=language))[-1]

    assert isinstance(result, SpeechResult)
    assert (result.language, result.voice) == (language, "ef_dora" if language == "es" else "af_heart")


@pytest.mark.parametrize("text", ["```only code```", "\U0001f600", "** **", "   "])
def test_where_nothing_is_left_to_say_that_is_said(starter: SpeechEngine, text: str) -> None:
    with pytest.raises(InvalidInput, match="nothing to speak"):
        run_to_end(starter, replace(HELLO, text=text))


@pytest.mark.parametrize(("text", "seconds"), [("Hello.", 2.9), ("안녕하세요", 4.0), ("", 2.0)])
def test_a_model_that_does_not_find_an_end_is_stopped(text: str, seconds: float) -> None:
    assert max_audio_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("kind", ["mp3", "opus"])
def test_speech_survives_every_format(starter: SpeechEngine, kind: str) -> None:
    events = run_to_end(starter, HELLO)

    heard = decode_audio(encode_speech(pcm(events), 24_000, kind))

    assert isinstance(events[-1], SpeechResult)
    assert heard.duration_seconds == pytest.approx(events[-1].duration_seconds, abs=0.1)
    assert loudness(bytes(heard.pcm)) == pytest.approx(loudness(pcm(events)), rel=0.5)


def test_other_requests_are_refused(starter: SpeechEngine) -> None:
    with pytest.raises(InvalidInput, match="only supports speech synthesis"):
        run_to_end(starter, Transcribe("tiny", Audio(16_000, bytes(32_000))))


@pytest.mark.promise("models:incomplete-refused")
@pytest.mark.parametrize(
    ("build", "drop"),
    [
        (kokoro.build, "decoder.generator.conv_post.weight_v"),
        (marvis.build, "model.codebook0_head.weight"),
        (qwen3_tts.build, "talker.codec_head.weight"),
    ],
    ids=["kokoro", "marvis", "qwen"],
)
def test_a_missing_tensor_fails_the_load(
    checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path, build: CheckpointBuilder, drop: str
) -> None:
    broken = copy_with(checkpoint(build), tmp_path / "model", drop=drop)

    with pytest.raises(LoadFailed, match="tiny could not be loaded"):
        narrow({"model": broken, "codec": checkpoint(marvis.build_codec)})


def test_a_missing_tensor_of_the_starter_fails_the_load(tmp_path: Path) -> None:
    broken = copy_with(STARTER, tmp_path / "model", drop="predictor.F0_proj.bias")

    with pytest.raises(LoadFailed, match="predictor.F0_proj.bias"):
        load(SpeechEngine(), {"model": broken})


def test_half_a_codec_fails_the_load(checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path) -> None:
    """The library would go on with random numbers in its place."""
    broken = Path(shutil.copytree(checkpoint(qwen3_tts.build), tmp_path / "model"))
    file = broken / "speech_tokenizer" / "model.safetensors"
    save_tensors(file, {key: value for key, value in load_tensors(file).items() if "pre_conv" not in key})

    with pytest.raises(LoadFailed, match="decoder.pre_conv"):
        narrow({"model": broken})


def test_a_model_without_its_codec_names_the_command(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    with pytest.raises(LoadFailed, match="Mimi codec.*senses pull tiny"):
        narrow({"model": checkpoint(marvis.build)})


def test_a_model_that_only_imitates_voices_is_refused(
    checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path
) -> None:
    base = copy_with(checkpoint(qwen3_tts.build), tmp_path / "model", config={"tts_model_type": "voice_design"})

    with pytest.raises(LoadFailed, match="CustomVoice"):
        narrow({"model": base})


def test_a_family_we_do_not_know_is_refused(checkpoint: Callable[[CheckpointBuilder], Path], tmp_path: Path) -> None:
    other = copy_with(checkpoint(kokoro.build), tmp_path / "model", config={"model_type": "bark"})

    with pytest.raises(LoadFailed, match="'bark'.*kokoro, kitten_tts, sesame, qwen3_tts"):
        load(SpeechEngine(), {"model": other})


def test_nothing_is_printed(any_engine: SpeechEngine, capfd: pytest.CaptureFixture[str]) -> None:
    run_to_end(any_engine, HELLO)

    assert capfd.readouterr().out == ""


def test_nothing_is_printed_while_loading(
    checkpoint: Callable[[CheckpointBuilder], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """mlx-audio prints what it loads, which would break a protocol on standard output."""
    narrow({"model": checkpoint(qwen3_tts.build)})

    assert capfd.readouterr().out == ""


def test_an_idle_engine_gives_back_what_the_allocator_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    releases: list[bool] = []
    monkeypatch.setattr(speech_engine, "release_memory", lambda: releases.append(True))

    SpeechEngine().idle()

    assert releases == [True]
