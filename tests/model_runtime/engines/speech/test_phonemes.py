"""How texts become phonemes: espeak-ng, misaki's dictionary, and the alphabets of the models."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.engines.speech.espeak import Espeak
from model_runtime.engines.speech.kitten_phonemes import TOKEN_IDS, phonemize_english, to_token_ids
from model_runtime.engines.speech.kokoro_phonemes import create_phonemizer
from model_runtime.engines.speech.pos_tags import split_words, tag_words
from model_runtime.errors import LoadFailed

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    """The library of this process."""
    return Espeak()


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("a red circle", "ɐ ɹˈɛd sˈɜːkəl"),
        ("Hello, world!", "həlˈoʊ , wˈɜːld !"),
        ("four", "fˈɔːɹ"),
        ("It is 3:30, Dr. Smith.", "ɪɾ ɪz θɹˈiː θˈɜːɾi , dˈɑːktɚ smˈɪθ ."),
        ("7", "sˈɛvən"),
        ("42", "fˈɔːɹɾi tˈuː"),
        ("40 or 14, 17", "fˈɔːɹɾi ɔːɹ fˌɔːɹtˈiːn , sˌɛvəntˈiːn"),
        ("a canteen", "ɐ kæntˈiːn"),
        ("letter c a t", "lˈɛɾɚ sˈiː ˈeɪ tˈiː"),
        ("Letters A b", "lˈɛɾɚz ˈeɪ bˈiː"),
        ("C A T", "sˈiː ˈeɪ tˈiː"),
        ("a letter and a b", "ɐ lˈɛɾɚ ænd ɐ bˈiː"),
        ("", ""),
    ],
)
def test_the_built_in_voice_reads_english(espeak: Espeak, text: str, phonemes: str) -> None:
    assert phonemize_english(espeak, text) == phonemes


def test_phonemes_become_numbers_between_borders() -> None:
    assert to_token_ids("a!☃") == [0, TOKEN_IDS["a"], TOKEN_IDS["!"], 0]


def test_the_numbers_are_those_of_the_library() -> None:
    from mlx_audio.tts.models.kitten_tts.kitten_tts import TextCleaner

    assert TextCleaner().word_index_dictionary == TOKEN_IDS


@settings(max_examples=60)
@given(text=st.text(max_size=60))
def test_any_text_can_be_read(espeak: Espeak, text: str) -> None:
    found = to_token_ids(phonemize_english(espeak, text))

    assert (found[0], found[-1]) == (0, 0)


def test_a_voice_that_does_not_exist_says_so(espeak: Espeak) -> None:
    with pytest.raises(LoadFailed, match="no voice 'xx-yy'"):
        espeak.phonemes("hello", "xx-yy")


def test_one_library_serves_languages_in_turn(espeak: Espeak) -> None:
    before = espeak.phonemes("bonjour", "en-us")

    assert espeak.phonemes("bonjour", "fr") == "bɔ̃ʒˈuʁ"
    assert espeak.phonemes("bonjour", "en-us") == before


def test_a_deep_installation_works(tmp_path: Path) -> None:
    """espeak-ng replaces a data path of 160 characters by one of its build machine, and then ends the process."""
    program = (
        "import pathlib, espeakng_loader, model_runtime.engines.speech.espeak as ours\n"
        f"deep = pathlib.Path({str(tmp_path)!r}, 'd' * 100, 'd' * 100)\n"
        "deep.mkdir(parents=True)\n"
        "data = deep / 'espeak-ng-data'\n"
        "data.symlink_to(espeakng_loader.get_data_path())\n"
        "espeakng_loader.get_data_path = lambda: str(data)\n"
        "print(len(ours.Espeak().phonemes('hello', 'en-us')))\n"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "6\n"


def test_missing_data_fails_the_load_and_not_the_process(tmp_path: Path) -> None:
    program = (
        "import espeakng_loader, model_runtime.engines.speech.espeak as ours\n"
        "from model_runtime.errors import LoadFailed\n"
        f"espeakng_loader.get_data_path = lambda: {str(tmp_path)!r}\n"
        "try:\n    ours.Espeak()\nexcept LoadFailed as failed:\n    print(failed)\n"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "espeak-ng cannot read its data" in found.stdout


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Hello world.", "həlˈO wˈɜɹld."),
        ("I used to record a record.", "ˌI jˈust tə ɹəkˈɔɹd ɐ ɹˈɛkəɹd."),
        ("It's the 3rd of May, 2026.", "ˌɪts ðə θˈɜɹd ʌv mˈA, twˈɛnti twˈɛnti sˈɪks."),
        ("It costs $12.50!", "ˌɪt kˈɔsts twˈɛlv dˈɑləɹz ænd fˈɪfti sˈɛnts!"),
    ],
)
def test_kokoro_reads_english_with_its_dictionary(espeak: Espeak, text: str, phonemes: str) -> None:
    assert create_phonemizer("en", british=False, espeak=espeak)(text) == phonemes


def test_words_outside_the_dictionary_are_spelled_by_espeak(espeak: Espeak) -> None:
    assert create_phonemizer("en", british=False, espeak=espeak)("quxbar") == "kwəksbˈɑɹ"


def test_british_voices_speak_british(espeak: Espeak) -> None:
    assert create_phonemizer("en", british=True, espeak=espeak)("hello") == "həlˈQ"


@pytest.mark.parametrize(
    ("language", "text", "phonemes"),
    [
        ("fr", "Bonjour, le monde!", "bɔ̃ʒˈuʁ, lə mˈɔ̃d!"),
        ("es", "Hola mundo", "ˈola mˈundo"),
        ("it", "Ciao mondo", "ʧˈao mˈondo"),
        ("pt", "Olá", "olˈa"),
        ("hi", "नमस्ते", "nəmˈʌsteː"),
    ],
)
def test_kokoro_reads_its_other_languages(espeak: Espeak, language: str, text: str, phonemes: str) -> None:
    assert create_phonemizer(language, british=False, espeak=espeak)(text) == phonemes


def test_without_the_dictionary_espeak_reads_english(espeak: Espeak, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no misaki for Python 3.13."""
    monkeypatch.setattr("model_runtime.engines.speech.kokoro_phonemes.find_spec", lambda _: None)

    assert create_phonemizer("en", british=False, espeak=espeak)("Hello, world.") == "həlˈO, wˈɜɹld."


def test_the_dictionary_comes_without_spacy_and_torch() -> None:
    program = (
        "import sys\n"
        "from model_runtime.engines.speech.espeak import Espeak\n"
        "from model_runtime.engines.speech.kokoro_phonemes import create_phonemizer\n"
        "create_phonemizer('en', british=False, espeak=Espeak())('hello')\n"
        "print(sorted({'spacy', 'torch', 'phonemizer'} & set(sys.modules)))\n"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_words_keep_the_space_after_them() -> None:
    assert list(split_words("It's 3.5% (really), e.g. U.S.")) == [
        ("It", ""), ("'s", " "), ("3.5%", " "), ("(", ""), ("really", ""), (")", ""), (",", " "), ("e.g.", " "),
        ("U.S.", ""),
    ]  # fmt: skip


def test_words_have_the_parts_of_speech_the_dictionary_asks_for() -> None:
    words = ["I", "used", "to", "record", "the", "slowly", "running", "record"]

    assert tag_words(words) == ["PRP", "VBD", "TO", "VB", "DT", "RB", "VBG", "NN"]


@given(st.text(max_size=60))
def test_every_word_has_one_tag(text: str) -> None:
    words = [word for word, _ in split_words(text)]

    assert len(tag_words(words)) == len(words)
    assert "".join(words) == "".join(text.split())
