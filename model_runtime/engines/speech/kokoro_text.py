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

from model_runtime.engines.speech.english_words import split, tags
from model_runtime.engines.speech.espeak import Espeak, clauses

Phonemes = Callable[[str], str]

ESPEAK_VOICES: Mapping[str, str] = {"en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it", "pt": "pt-br"}
BRITISH = "en"
"""espeak-ng's voice of British English; "en-gb" is the name of no voice in 1.52."""

_ENGLISH_SOUNDS: Sequence[tuple[str, str]] = (
    ("ʔˌn\u0329", "ʔn"), ("ʔn\u0329", "ʔn"), ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"),
    ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl"), ("ʲo", "jo"), ("ʲə", "jə"), ("e", "A"), ("ʲ", ""), ("ɚ", "əɹ"), ("r", "ɹ"),
    ("x", "k"), ("ç", "k"), ("ɐ", "ə"), ("ɬ", "l"), ("\u0303", ""),
)  # fmt: skip
_AMERICAN_SOUNDS = (("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
_BRITISH_SOUNDS = (("e^ə", "ɛː"), ("iə", "ɪə"), ("ə^ʊ", "Q"))
_LAST_SOUNDS = (("o", "ɔ"), ("ɾ", "T"), ("ʔ", "t"), ("^", ""))
_OTHER_SOUNDS = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"), ("ə^ʊ", "Q"), ("s^s", "S"),
    ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("^", ""), ("-", ""),
)  # fmt: skip
_SYLLABIC = re.compile(r"(\S)\u0329")


def front_end(language: str, *, british: bool, espeak: Espeak) -> Phonemes:
    """Return what turns texts of a language into Kokoro's phonemes."""
    if language != "en":
        return lambda text: _punctuated(text, lambda part: _other(espeak, part, ESPEAK_VOICES[language]))

    def word(text: str) -> str:
        return _english(espeak.phonemes(text, BRITISH if british else "en-us", tied=True), british=british)

    if find_spec("misaki") is None:  # there is none for Python 3.13
        return lambda text: _punctuated(text, word)
    return _dictionary(word, british=british)


def _punctuated(text: str, phonemes: Phonemes) -> str:
    return re.sub(r"\s+([;:,.!?])", r"\1", " ".join(clauses(text, phonemes)))


def _other(espeak: Espeak, text: str, voice: str) -> str:
    return _rewritten(espeak.phonemes(text, voice, tied=True), _OTHER_SOUNDS)


def _english(ipa: str, *, british: bool) -> str:
    said = _SYLLABIC.sub(r"ᵊ\1", _rewritten(ipa, _ENGLISH_SOUNDS)).replace("\u0329", "")
    return _rewritten(_rewritten(said, _BRITISH_SOUNDS if british else _AMERICAN_SOUNDS), _LAST_SOUNDS)


def _rewritten(ipa: str, sounds: Sequence[tuple[str, str]]) -> str:
    for theirs, ours in sounds:
        ipa = ipa.replace(theirs, ours)
    return ipa


def _dictionary(unknown: Phonemes, *, british: bool) -> Phonemes:
    en = _misaki()
    reader: Any = en.G2P

    class Dictionary(reader):
        """misaki's English with our words and tags instead of spaCy's; it looks numbers, plurals and stress up itself."""

        def __init__(self) -> None:
            self.version, self.british, self.unk = None, british, ""
            self.lexicon = en.Lexicon(british)
            self.fallback = lambda token: (unknown(token.text), 2)

        def tokenize(self, text: str, tokens: Any, features: Any) -> list[Any]:
            pairs = list(split(text))
            return [
                en.MToken(text=word, tag=tag, whitespace=space, _=en.MToken.Underscore(is_head=True, num_flags="", prespace=False))
                for (word, space), tag in zip(pairs, tags([word for word, _ in pairs]), strict=True)
            ]  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the way misaki opens its files
        dictionary = Dictionary()
    return lambda text: str(dictionary(text, preprocess=False)[0])


def _misaki() -> Any:
    """Import misaki.en, which imports spaCy at its top and uses it only in what we replace."""
    stand_in = "spacy" not in sys.modules and find_spec("spacy") is None
    if stand_in:
        sys.modules["spacy"] = ModuleType("spacy")
    try:
        from misaki import en
    finally:
        if stand_in:
            del sys.modules["spacy"]
    return en
