"""What a KittenTTS model reads: phonemes of espeak-ng, one number a symbol, words and punctuation set apart."""

import re
from collections.abc import Sequence

from model_runtime.engines.speech.espeak import Espeak, phonemize_clauses

ENGLISH_VOICE = "en-us"
SYMBOLS = (
    '$;:,.!?¡¿—…"«»"" '
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
)
"""Symbol by number. A repeated symbol counts at its last place, as in the library's own table."""

PAD_TOKEN_ID = 0
TOKEN_IDS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
_WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")
_SPELLED_WORD = re.compile(r"\bletters? [a-z](?: [a-z])*\b|\b[a-z](?: [a-z]){2,}\b", re.IGNORECASE)
_TEEN = re.compile(r"ˈ([^ˈˌ\s]+)tˌ?iːn\b")
_LETTER_A = re.compile(r"\ba\b", re.IGNORECASE)


def phonemize_english(espeak: Espeak, text: str) -> str:
    """Return the phonemes of `text` with its punctuation kept, everything one space apart."""
    phonemes = " ".join(phonemize_clauses(respell_letter_a(text), lambda part: espeak.phonemes(part, ENGLISH_VOICE)))
    return " ".join(
        _WORD_OR_SYMBOL.findall(_TEEN.sub(r"ˌ\1tˈiːn", phonemes))
    )  # thirTEEN: stressed as THIRty it sounds like it


def respell_letter_a(text: str) -> str:
    """Write the letter A of a spelled word as it sounds; espeak-ng would take it for the article."""
    return _SPELLED_WORD.sub(lambda letters: _LETTER_A.sub("eigh", letters[0]), text)


def to_token_ids(phonemes: str) -> Sequence[int]:
    """Turn phonemes into the model's input; symbols it does not know are silent."""
    return [PAD_TOKEN_ID, *(TOKEN_IDS[symbol] for symbol in phonemes if symbol in TOKEN_IDS), PAD_TOKEN_ID]
