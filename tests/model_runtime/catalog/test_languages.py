"""Languages by whatever name people have for them, and scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog.languages import (
    LANGUAGES,
    guess_language,
    is_written_in,
    language_code,
    language_name,
    main_script,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ko", "ko"), ("KO", "ko"), ("ko-KR", "ko"), ("ko_KR", "ko"), ("Korean", "ko"), (" korean ", "ko"),
        ("zh-Hans-CN", "zh"), ("mandarin", "zh"), ("yue", "yue"), ("pt-BR", "pt"), ("nb", "no"), ("iw", "he"),
        ("haitian creole", "ht"), ("klingon", ""), ("", ""), ("english please", ""),
    ],
)  # fmt: skip
def test_codes_tags_and_names_mean_a_language(name: str, code: str) -> None:
    assert language_code(name) == code


@given(st.sampled_from(sorted(LANGUAGES)), st.sampled_from(["{}", "{}-XX", "{}_XX"]))
def test_every_language_is_known_by_code_and_tag(code: str, form: str) -> None:
    assert language_code(form.format(code)) == code


@given(st.sampled_from(sorted(LANGUAGES)))
def test_every_language_is_known_by_its_name(code: str) -> None:
    assert language_code(language_name(code)) == code


@given(st.text(max_size=30))
def test_any_text_means_a_known_language_or_none(name: str) -> None:
    assert language_code(name) in {*LANGUAGES, ""}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("안녕하세요", "ko"), ("こんにちは", "ja"), ("今日は天気がいい", "ja"), ("你好", "zh"), ("नमस्ते", "hi"), ("привет", "ru"),
        ("γειά", "el"), ("hello", ""), ("ça va", ""), ("Il fait beau aujourd'hui, n'est-ce pas ?", "fr"), ("12:30", ""), ("", ""), ("The word 안녕 means hello", "en"),
        ("API는 서버가 보내는 것입니다", "ko"),
    ],
)  # fmt: skip
def test_the_script_tells_the_language_and_for_latin_the_words(text: str, language: str) -> None:
    assert guess_language(text) == language


@given(st.text(max_size=40))
def test_every_text_with_letters_has_a_script(text: str) -> None:
    assert bool(main_script(text)) == any(letter.isalpha() for letter in text)


@pytest.mark.parametrize(
    ("language", "text", "fits"),
    [
        ("en", "hello", True), ("en", "안녕", False), ("ko", "안녕", True), ("ko", "hello", False), ("ja", "漢字", True),
        ("fr", "voilà", True), ("en", "ሰላም", False), ("sr", "zdravo", True), ("sr", "здраво", True),
    ],
)  # fmt: skip
def test_a_language_is_written_in_its_scripts(language: str, text: str, fits: bool) -> None:
    assert is_written_in(language, main_script(text)) == fits


WHISPER_CODES = [
    "en",
    "zh",
    "de",
    "es",
    "ru",
    "ko",
    "fr",
    "ja",
    "pt",
    "tr",
    "pl",
    "ca",
    "nl",
    "ar",
    "sv",
    "it",
    "id",
    "hi",
    "fi",
    "vi",
    "he",
    "uk",
    "el",
    "ms",
    "cs",
    "ro",
    "da",
    "hu",
    "ta",
    "no",
    "th",
    "ur",
    "hr",
    "bg",
    "lt",
    "la",
    "mi",
    "ml",
    "cy",
    "sk",
    "te",
    "fa",
    "lv",
    "bn",
    "sr",
    "az",
    "sl",
    "kn",
    "et",
    "mk",
    "br",
    "eu",
    "is",
    "hy",
    "ne",
    "mn",
    "bs",
    "kk",
    "sq",
    "sw",
    "gl",
    "mr",
    "pa",
    "si",
    "km",
    "sn",
    "yo",
    "so",
    "af",
    "oc",
    "ka",
    "be",
    "tg",
    "sd",
    "gu",
    "am",
    "yi",
    "lo",
    "uz",
    "fo",
    "ht",
    "ps",
    "tk",
    "nn",
    "mt",
    "sa",
    "lb",
    "my",
    "bo",
    "tl",
    "mg",
    "as",
    "tt",
    "haw",
    "ln",
    "ha",
    "ba",
    "jw",
    "su",
    "yue",
]
"""Of `LANGUAGES` in whisper/tokenizer.py."""


def test_the_languages_are_those_of_whisper() -> None:
    assert list(LANGUAGES) == WHISPER_CODES


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Burmese", "my"), ("Castilian", "es"), ("cmn", "zh"), ("fil", "tl"), ("Filipino", "tl"), ("Flemish", "nl"),
        ("Haitian", "ht"), ("jv", "jw"), ("Letzeburgesch", "lb"), ("Moldavian", "ro"), ("Moldovan", "ro"),
        ("Panjabi", "pa"), ("Pushto", "ps"), ("Sinhalese", "si"), ("Valencian", "ca"),
    ],
)  # fmt: skip
def test_languages_are_known_by_their_other_names(name: str, code: str) -> None:
    assert language_code(name) == code


@pytest.mark.parametrize(
    ("script", "languages"),
    [
        ("HANGUL", "ko"), ("HIRAGANA", "ja"), ("KATAKANA", "ja"), ("CJK", "zh ja yue"), ("DEVANAGARI", "hi mr ne sa"),
        ("CYRILLIC", "ru uk bg sr be mk kk tg mn tt ba"), ("ARABIC", "ar fa ur ps sd"), ("GREEK", "el"),
        ("HEBREW", "he yi"), ("THAI", "th"), ("TAMIL", "ta"), ("TELUGU", "te"), ("BENGALI", "bn as"), ("GEORGIAN", "ka"),
        ("ARMENIAN", "hy"), ("ETHIOPIC", ""),
    ],
)  # fmt: skip
def test_a_script_is_that_of_these_languages_and_no_others(script: str, languages: str) -> None:
    assert {code for code in LANGUAGES if is_written_in(code, script)} == set(languages.split())


def test_all_other_languages_are_written_in_latin_letters_and_three_in_both() -> None:
    others = [
        "ko",
        "zh",
        "ja",
        "yue",
        "hi",
        "mr",
        "ne",
        "sa",
        "ru",
        "uk",
        "bg",
        "be",
        "mk",
        "tg",
        "tt",
        "ba",
        "ar",
        "fa",
        "ur",
        "ps",
        "sd",
        "el",
        "he",
        "yi",
        "th",
        "ta",
        "te",
        "bn",
        "as",
        "ka",
        "hy",
    ]

    assert {code for code in LANGUAGES if not is_written_in(code, "LATIN")} == set(others)
    assert all(is_written_in(code, "") for code in LANGUAGES)


def test_half_width_kana_are_japanese_and_full_width_letters_latin() -> None:
    assert main_script("ｱｲｳ") == "HIRAGANA"
    assert main_script("ＡＢＣ") == "LATIN"
    assert main_script("今日は") == main_script("今日ハ") == "HIRAGANA"
