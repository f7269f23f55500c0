"""What Kokoro reads: phonemes in its own alphabet, from misaki's English dictionary and espeak-ng.

misaki's own front end wants spaCy, whose model it downloads from GitHub when the first text arrives; its dictionary
needs neither. Words that it does not have, and all other languages, come from espeak-ng, whose sounds are rewritten as
misaki.espeak does.
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

ESPEAK_VOICES: Mapping[str, str] = {"en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it", "pt": "pt-br"}
BRITISH_VOICE = "en"
"""espeak-ng's voice of British English; "en-gb" is the name of no voice in 1.52."""

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
    """Return what turns texts of a language into Kokoro's phonemes."""
    if language != "en":
        return lambda text: _phonemize_with_punctuation(
            text, lambda part: _phonemize_other(espeak, part, ESPEAK_VOICES[language])
        )

    def phonemize_word(text: str) -> str:
        return _rewrite_english(
            espeak.phonemes(text, BRITISH_VOICE if british else "en-us", tie_bars=True), british=british
        )

    if find_spec("misaki") is None:  # there is none for Python 3.13
        return lambda text: _phonemize_with_punctuation(text, phonemize_word)
    return _create_dictionary_phonemizer(phonemize_word, british=british)


def _phonemize_with_punctuation(text: str, phonemize: Phonemizer) -> str:
    return re.sub(r"\s+([;:,.!?])", r"\1", " ".join(phonemize_clauses(text, phonemize)))


def _phonemize_other(espeak: Espeak, text: str, voice: str) -> str:
    return _replace_sounds(espeak.phonemes(text, voice, tie_bars=True), _OTHER_LANGUAGE_REPLACEMENTS)


def _rewrite_english(ipa: str, *, british: bool) -> str:
    phonemes = _SYLLABIC.sub(r"ᵊ\1", _replace_sounds(ipa, _ENGLISH_REPLACEMENTS)).replace("\u0329", "")
    return _replace_sounds(
        _replace_sounds(phonemes, _BRITISH_REPLACEMENTS if british else _AMERICAN_REPLACEMENTS), _FINAL_REPLACEMENTS
    )


def _replace_sounds(ipa: str, replacements: Sequence[tuple[str, str]]) -> str:
    for theirs, ours in replacements:
        ipa = ipa.replace(theirs, ours)
    return ipa


def _create_dictionary_phonemizer(phonemize_unknown: Phonemizer, *, british: bool) -> Phonemizer:
    en = _import_misaki()
    g2p_class: Any = en.G2P

    class Dictionary(g2p_class):
        """misaki's English with our words and tags instead of spaCy's; it looks numbers, plurals and stress up itself."""

        def __init__(self) -> None:
            self.version, self.british, self.unk = None, british, ""
            self.lexicon = en.Lexicon(british)
            self.fallback = lambda token: (phonemize_unknown(token.text), 2)

        def tokenize(self, text: str, tokens: Any, features: Any) -> list[Any]:
            pairs = list(split_words(text))
            return [
                en.MToken(text=word, tag=tag, whitespace=space, _=en.MToken.Underscore(is_head=True, num_flags="", prespace=False))
                for (word, space), tag in zip(pairs, tag_words([word for word, _ in pairs]), strict=True)
            ]  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the way misaki opens its files
        dictionary = Dictionary()
    return lambda text: str(dictionary(text, preprocess=False)[0])


def _import_misaki() -> Any:
    """Import misaki.en, which imports spaCy at its top and uses it only in what we replace."""
    needs_stub = "spacy" not in sys.modules and find_spec("spacy") is None
    if needs_stub:
        sys.modules["spacy"] = ModuleType("spacy")
    try:
        from misaki import en
    finally:
        if needs_stub:
            del sys.modules["spacy"]
    return en
