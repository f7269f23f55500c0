"""The input of Kokoro: phonemes in its own alphabet, from misaki's English dictionary and espeak-ng.

misaki's tokenizer needs spaCy, whose model it downloads from GitHub with the first text; its dictionary needs neither.
Words that the dictionary does not have, and all other languages, come from espeak-ng, with the replacements of
misaki.espeak.
"""

import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from model_runtime.engines.speech.espeak import Espeak, phonemize_clauses
from model_runtime.engines.speech.pos_tags import split_words, tag_words

Phonemizer = Callable[[str], str]
"""phonemize(text) → phonemes."""

ESPEAK_VOICES: Mapping[str, str] = {"en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it", "pt": "pt-br"}
BRITISH_VOICE = "en"
"""espeak-ng's voice of British English; 1.52 has no voice "en-gb"."""

_ENGLISH_REPLACEMENTS: Sequence[tuple[str, str]] = (
    ("ʔˌn\u0329", "ʔn"), ("ʔn\u0329", "ʔn"), ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"),
    ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl"), ("ʲo", "jo"), ("ʲə", "jə"), ("e", "A"), ("ʲ", ""), ("ɚ", "əɹ"), ("r", "ɹ"),
    ("x", "k"), ("ç", "k"), ("ɐ", "ə"), ("ɬ", "l"), ("\u0303", ""),
)  # fmt: skip
_AMERICAN_REPLACEMENTS = (("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
_BRITISH_REPLACEMENTS = (("e^ə", "ɛː"), ("iə", "ɪə"), ("ə^ʊ", "Q"))
_FINAL_REPLACEMENTS = (("o", "ɔ"), ("ɾ", "T"), ("ʔ", "t"), ("^", ""))
_OTHER_LANGUAGE_REPLACEMENTS = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"), ("ə^ʊ", "Q"), ("s^s", "S"),
    ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("^", ""), ("-", ""),
)  # fmt: skip
_SYLLABIC = re.compile(r"(\S)\u0329")


def create_phonemizer(language: str, *, british: bool, espeak: Espeak) -> Phonemizer:
    """Return the phonemizer of a language (ISO 639-1).

    Raises:
        KeyError: `ESPEAK_VOICES` does not have the language.
    """
    voice = BRITISH_VOICE if british and language == "en" else ESPEAK_VOICES[language]

    def phonemize(text: str) -> str:
        ipa = espeak.phonemes(text, voice, tie_bars=True)
        if language == "en":
            return _rewrite_english(ipa, british=british)
        return _replace_sounds(ipa, _OTHER_LANGUAGE_REPLACEMENTS)

    if language == "en" and find_spec("misaki") is not None:  # misaki does not support Python 3.13
        return _create_dictionary_phonemizer(phonemize, british=british)
    return lambda text: re.sub(r"\s+([;:,.!?])", r"\1", " ".join(phonemize_clauses(text, phonemize)))


def _rewrite_english(ipa: str, *, british: bool) -> str:
    phonemes = _SYLLABIC.sub(r"ᵊ\1", _replace_sounds(ipa, _ENGLISH_REPLACEMENTS)).replace("\u0329", "")
    phonemes = _replace_sounds(phonemes, _BRITISH_REPLACEMENTS if british else _AMERICAN_REPLACEMENTS)
    return _replace_sounds(phonemes, _FINAL_REPLACEMENTS)


def _replace_sounds(ipa: str, replacements: Sequence[tuple[str, str]]) -> str:
    for theirs, ours in replacements:
        ipa = ipa.replace(theirs, ours)
    return ipa


def _create_dictionary_phonemizer(phonemize_unknown: Phonemizer, *, british: bool) -> Phonemizer:
    en = _import_misaki()
    g2p_class: Any = en.G2P

    class Dictionary(g2p_class):
        """misaki's English G2P with `pos_tags` instead of spaCy; misaki handles numbers, plurals and stress."""

        def __init__(self) -> None:
            self.version, self.british, self.unk = None, british, ""
            self.lexicon = en.Lexicon(british)
            self.fallback = lambda token: (phonemize_unknown(token.text), 2)  # 2 is misaki's rating of espeak-ng

        def tokenize(self, text: str, tokens: Any, features: Any) -> list[Any]:
            pairs = list(split_words(text))
            return [
                en.MToken(text=word, tag=tag, whitespace=space, _=en.MToken.Underscore(is_head=True, num_flags="", prespace=False))
                for (word, space), tag in zip(pairs, tag_words([word for word, _ in pairs]), strict=True)
            ]  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # misaki opens its files with a deprecated function
        dictionary = Dictionary()
    return lambda text: str(dictionary(text, preprocess=False)[0])


def _import_misaki() -> Any:
    """Import misaki.en with a stub of spaCy, which it uses only in the methods that `Dictionary` overrides."""
    needs_stub = "spacy" not in sys.modules and find_spec("spacy") is None
    if needs_stub:
        sys.modules["spacy"] = ModuleType("spacy")
    try:
        from misaki import en
    finally:
        if needs_stub:
            del sys.modules["spacy"]
    return en
