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
