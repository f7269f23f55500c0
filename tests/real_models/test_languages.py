"""Languages of real speech and of its words."""

import hashlib
from collections.abc import Sequence
from typing import cast

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.catalog.languages import guess_language, main_script
from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.speech import kokoro, kokoro_phonemes
from model_runtime.engines.transcription.engine import TranscriptionEngine
from model_runtime.events import TranscriptionResult
from model_runtime.loading import LoadSpec
from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.media.types import Audio
from model_runtime.requests import Transcribe
from tests.model_runtime.engines.job_engine_driver import load, never_cancelled, run_to_end
from tests.real_models.conftest import MODELS, RECORDINGS
from tests.real_models.recordings import Recording, read_recordings

pytestmark = [
    pytest.mark.real,
    pytest.mark.engines,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("recordings_folder"),
]

MIN_WORDS = 5
SCRIPTS = {"en": "LATIN", "es": "LATIN", "fr": "LATIN", "it": "LATIN", "ru": "CYRILLIC"}
CLIPS_OF_A_LANGUAGE = 2
KOREAN = "안녕하세요, 오늘 날씨가 좋네요. 내일 아침에 회의가 있습니다."


@pytest.fixture(scope="module")
def whisper() -> TranscriptionEngine:
    """Whisper base."""
    return load(TranscriptionEngine(), {"model": MODELS / "whisper-base"})


def transcript(engine: TranscriptionEngine, audio: Audio) -> TranscriptionResult:
    result = run_to_end(engine, Transcribe("whisper-base", audio, temperature=0.0))[-1]
    assert isinstance(result, TranscriptionResult)
    return result


def was_learnt_from(text: str) -> bool:
    """The same half as in `training/src/senses_training/languages/texts.py:is_for_training`."""
    return hashlib.md5(text.lower().strip(" .").encode(), usedforsecurity=False).digest()[0] % 2 == 1


def clips_of(language: str) -> Sequence[Recording]:
    """Return telephone prompts, the longest below ten seconds first."""
    clips = [each for each in read_recordings(RECORDINGS) if (each.language, each.source) == (language, "asterisk")]
    return sorted((each for each in clips if each.seconds < 10), key=lambda each: -each.seconds)


@pytest.mark.promise("speech:language-by-words")
@pytest.mark.parametrize("language", ["en", "es", "fr", "it"])
def test_the_words_of_recordings_tell_their_language(language: str) -> None:
    texts = {each.text for each in read_recordings(RECORDINGS) if each.language == language}
    texts = {text for text in texts if len(text.split()) >= MIN_WORDS and not was_learnt_from(text)}
    accepted = {language, ""} if language == "en" else {language}  # unsure text is read by the voice that is there

    right = [text for text in texts if guess_language(text) in accepted]

    assert len(texts) > 50
    assert len(right) >= 0.98 * len(texts)


@pytest.mark.complete
@pytest.mark.promise("transcription:keeps-the-language")
@pytest.mark.parametrize("language", SCRIPTS)
def test_real_speech_keeps_its_language_and_script(whisper: TranscriptionEngine, language: str) -> None:
    for clip in clips_of(language)[:CLIPS_OF_A_LANGUAGE]:
        result = transcript(whisper, decode_audio((RECORDINGS / clip.file).read_bytes()))

        assert (result.language, main_script(result.text)) == (language, SCRIPTS[language])


@pytest.fixture
def korean_speech(monkeypatch: pytest.MonkeyPatch) -> Audio:
    """A sentence as espeak-ng pronounces it, in a Chinese voice of Kokoro: of all voices here the best understood.

    Whisper base takes espeak-ng's own voice for Thai or Japanese.
    """
    monkeypatch.setitem(cast(dict[str, str], kokoro_phonemes.ESPEAK_VOICES), "ko", "ko")
    mx.random.seed(0)
    voice_model = kokoro.load(LoadSpec("kokoro", "", {"model": str(MODELS / "kokoro-82m")}, {}), {})
    spoken = voice_model.speak(KOREAN, VoiceSelection("zf_xiaoxiao", "ko"), 1.0, never_cancelled)
    samples = np.concatenate([piece.samples for piece in spoken])
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return decode_audio(encode_speech(pcm, voice_model.sample_rate, "wav"))


@pytest.mark.slow
@pytest.mark.complete
@pytest.mark.promise("transcription:keeps-the-language")
def test_korean_speech_becomes_korean_text(whisper: TranscriptionEngine, korean_speech: Audio) -> None:
    result = transcript(whisper, korean_speech)

    assert (result.language, main_script(result.text)) == ("ko", "HANGUL"), result.text
    assert "오늘 날씨가" in result.text
