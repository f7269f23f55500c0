"""The input of KittenTTS models: espeak-ng's phonemes with spaces around words and punctuation, as token ids."""

import re
from collections.abc import Sequence

from model_runtime.engines.speech.espeak import Espeak, phonemize_clauses

ENGLISH_VOICE = "en-us"
SYMBOLS = (
    '$;:,.!?¡¿—…"«»"" '
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
)
"""The symbol of each token id, from mlx-audio's kitten_tts. A repeated symbol has its last index, as there."""

PAD_TOKEN_ID = 0
TOKEN_IDS = {symbol: index for index, symbol in enumerate(SYMBOLS)}
_WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")
_SPELLED_WORD = re.compile(r"\bletters? [a-z](?: [a-z])*\b|\b[a-z](?: [a-z]){2,}\b", re.IGNORECASE)
_TEEN = re.compile(r"ˈ([^ˈˌ\s]+)tˌ?iːn\b")
_LETTER_A = re.compile(r"\ba\b", re.IGNORECASE)


def phonemize_english(espeak: Espeak, text: str) -> str:
    """Return the phonemes and punctuation of `text`, separated by single spaces.

    Raises:
        LoadFailed: espeak-ng has no English voice.
    """
    phonemes = " ".join(phonemize_clauses(respell_letter_a(text), lambda part: espeak.phonemes(part, ENGLISH_VOICE)))
    stressed = _TEEN.sub(r"ˌ\1tˈiːn", phonemes)  # with the stress on its first syllable, thirteen sounds like thirty
    return " ".join(_WORD_OR_SYMBOL.findall(stressed))


def respell_letter_a(text: str) -> str:
    """Replace the letter A of a spelled word by "eigh": espeak-ng reads it as the article."""
    return _SPELLED_WORD.sub(lambda letters: _LETTER_A.sub("eigh", letters[0]), text)


def to_token_ids(phonemes: str) -> Sequence[int]:
    """Return the token ids of phonemes, padded at both ends, without symbols that the model does not have."""
    return [PAD_TOKEN_ID, *(TOKEN_IDS[symbol] for symbol in phonemes if symbol in TOKEN_IDS), PAD_TOKEN_ID]
