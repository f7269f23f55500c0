"""Languages: codes, English names and scripts.

The codes are Whisper's (`whisper/tokenizer.py`): ISO 639-1, plus `haw` and `yue`.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping

from model_runtime.catalog.latin_languages import guess_latin_language
from model_runtime.errors import InvalidInput

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "zh": "Chinese",
    "de": "German",
    "es": "Spanish",
    "ru": "Russian",
    "ko": "Korean",
    "fr": "French",
    "ja": "Japanese",
    "pt": "Portuguese",
    "tr": "Turkish",
    "pl": "Polish",
    "ca": "Catalan",
    "nl": "Dutch",
    "ar": "Arabic",
    "sv": "Swedish",
    "it": "Italian",
    "id": "Indonesian",
    "hi": "Hindi",
    "fi": "Finnish",
    "vi": "Vietnamese",
    "he": "Hebrew",
    "uk": "Ukrainian",
    "el": "Greek",
    "ms": "Malay",
    "cs": "Czech",
    "ro": "Romanian",
    "da": "Danish",
    "hu": "Hungarian",
    "ta": "Tamil",
    "no": "Norwegian",
    "th": "Thai",
    "ur": "Urdu",
    "hr": "Croatian",
    "bg": "Bulgarian",
    "lt": "Lithuanian",
    "la": "Latin",
    "mi": "Maori",
    "ml": "Malayalam",
    "cy": "Welsh",
    "sk": "Slovak",
    "te": "Telugu",
    "fa": "Persian",
    "lv": "Latvian",
    "bn": "Bengali",
    "sr": "Serbian",
    "az": "Azerbaijani",
    "sl": "Slovenian",
    "kn": "Kannada",
    "et": "Estonian",
    "mk": "Macedonian",
    "br": "Breton",
    "eu": "Basque",
    "is": "Icelandic",
    "hy": "Armenian",
    "ne": "Nepali",
    "mn": "Mongolian",
    "bs": "Bosnian",
    "kk": "Kazakh",
    "sq": "Albanian",
    "sw": "Swahili",
    "gl": "Galician",
    "mr": "Marathi",
    "pa": "Punjabi",
    "si": "Sinhala",
    "km": "Khmer",
    "sn": "Shona",
    "yo": "Yoruba",
    "so": "Somali",
    "af": "Afrikaans",
    "oc": "Occitan",
    "ka": "Georgian",
    "be": "Belarusian",
    "tg": "Tajik",
    "sd": "Sindhi",
    "gu": "Gujarati",
    "am": "Amharic",
    "yi": "Yiddish",
    "lo": "Lao",
    "uz": "Uzbek",
    "fo": "Faroese",
    "ht": "Haitian Creole",
    "ps": "Pashto",
    "tk": "Turkmen",
    "nn": "Nynorsk",
    "mt": "Maltese",
    "sa": "Sanskrit",
    "lb": "Luxembourgish",
    "my": "Myanmar",
    "bo": "Tibetan",
    "tl": "Tagalog",
    "mg": "Malagasy",
    "as": "Assamese",
    "tt": "Tatar",
    "haw": "Hawaiian",
    "ln": "Lingala",
    "ha": "Hausa",
    "ba": "Bashkir",
    "jw": "Javanese",
    "su": "Sundanese",
    "yue": "Cantonese",
}

LANGUAGE_ALIASES: Mapping[str, str] = {
    "burmese": "my",
    "castilian": "es",
    "cmn": "zh",
    "fil": "tl",
    "filipino": "tl",
    "flemish": "nl",
    "haitian": "ht",
    "iw": "he",
    "jv": "jw",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "nb": "no",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}
"""Other names and codes → code."""

MAX_CHARACTERS = 20_000
"""Of a text that are looked at to guess its language."""

_CODE_BY_NAME: Mapping[str, str] = {
    **{name.lower(): code for code, name in LANGUAGES.items()},
    **LANGUAGE_ALIASES,
    **{code: code for code in LANGUAGES},
}
"""Every known name and code → code."""

_LANGUAGES_BY_SCRIPT: Mapping[str, tuple[str, ...]] = {
    "HANGUL": ("ko",),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "CJK": ("zh", "ja", "yue"),
    "DEVANAGARI": ("hi", "mr", "ne", "sa"),
    "CYRILLIC": ("ru", "uk", "bg", "sr", "be", "mk", "kk", "tg", "mn", "tt", "ba"),
    "ARABIC": ("ar", "fa", "ur", "ps", "sd"),
    "GREEK": ("el",),
    "HEBREW": ("he", "yi"),
    "THAI": ("th",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "BENGALI": ("bn", "as"),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
}
"""Script → its languages, the likeliest first. All other languages use LATIN."""

_CYRILLIC_OR_LATIN = {"sr", "mn", "kk"}


def language_code(name: str) -> str:
    """Return the code of a code, tag or English name ("ko", "ko-KR", "Korean"), or "" if it is unknown."""
    tag = name.strip().lower().replace("_", "-")
    return _CODE_BY_NAME.get(tag) or _CODE_BY_NAME.get(tag.split("-")[0], "")


def parse_language(language: str) -> str:
    """Return the code of a language given as code, tag or English name; "" for "" and "auto", which mean detect it.

    Raises:
        InvalidInput: the language is unknown.
    """
    if language.strip().lower() in ("", "auto"):
        return ""
    code = language_code(language)
    if not code:
        raise InvalidInput(
            f"There is no language {language!r}. Use a code such as en, ko or pt-BR, an English name, or leave it out; "
            f"known are {', '.join(LANGUAGES)}.",
            param="language",
        )
    return code


def language_name(code: str) -> str:
    """Return the English name of a language code."""
    return LANGUAGES.get(code, code)


def main_script(text: str) -> str:
    """Return the script of most letters of `text`, such as "LATIN"; "" if it has no letters.

    Text with any kana is Japanese, even if most of its letters are Chinese characters.
    """
    counts = Counter(script_of_letter(letter) for letter in text if letter.isalpha())
    if counts["HIRAGANA"] + counts["KATAKANA"]:
        return "HIRAGANA"
    return counts.most_common(1)[0][0] if counts else ""


def script_of_letter(letter: str) -> str:
    """Return the script of a letter: the first word of its Unicode name."""
    return unicodedata.name(letter, "UNKNOWN").split()[0].replace("HALFWIDTH", "KATAKANA").replace("FULLWIDTH", "LATIN")


def guess_language(text: str) -> str:
    """Return the likeliest language of the script of `text`, of the words for Latin; "" if it is not sure."""
    script = main_script(text[:MAX_CHARACTERS])
    return guess_latin_language(text) if script == "LATIN" else _LANGUAGES_BY_SCRIPT.get(script, ("",))[0]


def is_written_in(language: str, script: str) -> bool:
    """Return whether a language is written in a script. True for "", the script of a text without letters."""
    if not script:
        return True
    if script in _LANGUAGES_BY_SCRIPT:
        return language in _LANGUAGES_BY_SCRIPT[script]
    has_own_script = any(language in languages for languages in _LANGUAGES_BY_SCRIPT.values())
    return script == "LATIN" and (not has_own_script or language in _CYRILLIC_OR_LATIN)
