"""What a KittenTTS model reads: phonemes of espeak-ng, one number a symbol, words and punctuation set apart."""

import re
from collections.abc import Sequence

from model_runtime.engines.speech.espeak import Espeak, clauses

ENGLISH = "en-us"
SYMBOLS = (
    '$;:,.!?¡¿—…"«»"" '
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
)
"""Symbol by number. A repeated symbol counts at its last place, as in the library's own table."""

BORDER = 0
NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
_APART = re.compile(r"\w+|[^\w\s]")
_SPELLED = re.compile(r"\bletters? [a-z](?: [a-z])*\b|\b[a-z](?: [a-z]){2,}\b", re.IGNORECASE)
_TEEN = re.compile(r"ˈ([^ˈˌ\s]+)tˌ?iːn\b")
_LETTER_A = re.compile(r"\ba\b", re.IGNORECASE)


def spoken(espeak: Espeak, text: str) -> str:
    """Return the phonemes of `text` with its punctuation kept, everything one space apart."""
    voiced = " ".join(clauses(spelled(text), lambda part: espeak.phonemes(part, ENGLISH)))
    return " ".join(_APART.findall(_TEEN.sub(r"ˌ\1tˈiːn", voiced)))  # thirTEEN: stressed as THIRty it sounds like it


def spelled(text: str) -> str:
    """Write the letter A of a spelled word as it sounds; espeak-ng would take it for the article."""
    return _SPELLED.sub(lambda letters: _LETTER_A.sub("eigh", letters[0]), text)


def numbers(phonemes: str) -> Sequence[int]:
    """Turn phonemes into the model's input; symbols it does not know are silent."""
    return [BORDER, *(NUMBERS[symbol] for symbol in phonemes if symbol in NUMBERS), BORDER]
