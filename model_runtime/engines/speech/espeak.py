"""Words to phonemes with libespeak-ng through ctypes: no phonemizer package, no program to start.

The wheel of espeakng-loader carries the library and its data for all platforms. One language at a time, one thread.
Two traps of espeak-ng 1.52: a data path of 160 characters or more is silently replaced by the path of the machine it
was built on, and a failed start calls exit().
"""

import atexit
import ctypes
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import espeakng_loader

from model_runtime.engines.speech.sentences import NOT_AFTER_ABBREVIATION
from model_runtime.errors import LoadFailed

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
UTF8 = 1
IPA = 0x02
TIE_BARS = 0x80 | ord("^") << 8
"""Write ^ between the letters of one sound, so that affricates and diphthongs can be told from two sounds."""

MAX_DATA_PATH_CHARACTERS = 140

_PUNCTUATION = re.compile(rf"([;:,.!?…]+)(?=\s|$){NOT_AFTER_ABBREVIATION}")
_LANGUAGE_SWITCH = re.compile(r"\([a-z^-]+\)", re.IGNORECASE)


class Espeak:
    """The library of this process, started once; `options` are flags of espeak_Initialize."""

    def __init__(self, options: int = 0) -> None:
        """Raise `LoadFailed` where the library does not start."""
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = _short_data_path(Path(espeakng_loader.get_data_path()))
        self.sample_rate = self.library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), DONT_EXIT | options)
        if self.sample_rate <= 0:
            raise LoadFailed("espeak-ng does not start: its data cannot be read. Install espeakng-loader again.")
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self._voice = ""

    def set_voice(self, voice: str) -> None:
        """Speak as `voice` ("en-us", "fr-fr", "en-us+f2") from now on; raise `LoadFailed` where there is none."""
        if voice == self._voice:
            return
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise LoadFailed(f"espeak-ng has no voice {voice!r}. Install espeakng-loader again.")
        self._voice = voice

    def phonemes(self, text: str, voice: str, *, tie_bars: bool = False) -> str:
        """Return the IPA of `text` with stress marks; punctuation is lost, words stay apart."""
        self.set_voice(voice)
        buffer = ctypes.create_string_buffer(text.encode() + b"\0")
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        mode = IPA | TIE_BARS if tie_bars else IPA
        clauses: list[bytes] = []
        while position.value:
            clauses.append(self.library.espeak_TextToPhonemes(ctypes.byref(position), UTF8, mode) or b"")
        return _LANGUAGE_SWITCH.sub("", " ".join(clause.decode() for clause in clauses)).strip()


def phonemize_clauses(text: str, to_phonemes: Callable[[str], str]) -> Iterator[str]:
    """Give phonemes and punctuation in turn: espeak-ng would drop the punctuation, which the models breathe at."""
    for number, part in enumerate(_PUNCTUATION.split(text)):
        if part.strip():
            yield part if number % 2 else to_phonemes(part)


def _short_data_path(data: Path) -> Path:
    """Return a path that espeak-ng accepts; a long one is reached through a link that lives as long as the process."""
    if len(str(data)) < MAX_DATA_PATH_CHARACTERS:
        return data
    folder = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / data.name).symlink_to(data)
    return folder / data.name
