"""Convert text to phonemes with libespeak-ng through ctypes, without the phonemizer package or a subprocess.

The wheel of espeakng-loader has the library and its data for all platforms. The library has one voice at a time and is
not thread-safe. espeak-ng 1.52 silently replaces a data path of 160 characters or more by the path of its build
machine, and calls exit() if its start fails.
"""

import atexit
import ctypes
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import espeakng_loader

from model_runtime.errors import LoadFailed
from model_runtime.formats.sentence_ends import NOT_AFTER_ABBREVIATION

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
UTF8 = 1
IPA = 0x02
TIE_BARS = 0x80 | ord("^") << 8
"""Write ^ between the letters of one sound, to distinguish affricates and diphthongs from two sounds. This and the
flags above are from espeak-ng's speak_lib.h."""

MAX_DATA_PATH_CHARACTERS = 140
"""Limit below espeak-ng's 160, which include a file name."""

_PUNCTUATION = re.compile(rf"([;:,.!?…]+)(?=\s|$){NOT_AFTER_ABBREVIATION}")
_LANGUAGE_SWITCH = re.compile(r"\([a-z^-]+\)", re.IGNORECASE)


class Espeak:
    """The initialized library.

    Raises:
        LoadFailed: its data cannot be read.
    """

    def __init__(self, options: int = 0) -> None:
        """Initialize the library; `options` are further flags of espeak_Initialize."""
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = _short_data_path(Path(espeakng_loader.get_data_path()))
        self.sample_rate = self.library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), DONT_EXIT | options)
        if self.sample_rate <= 0:
            raise LoadFailed(f"espeak-ng cannot read its data in {data}. Install espeakng-loader again.")
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self._voice = ""

    def set_voice(self, voice: str) -> None:
        """Use `voice` ("en-us", "fr-fr", "en-us+f2") from now on.

        Raises:
            LoadFailed: espeak-ng has no voice of this name.
        """
        if voice == self._voice:
            return
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise LoadFailed(f"espeak-ng has no voice {voice!r}. Install espeakng-loader again.")
        self._voice = voice

    def phonemes(self, text: str, voice: str, *, tie_bars: bool = False) -> str:
        """Return the IPA of `text` with stress marks and spaces between words, without punctuation.

        Raises:
            LoadFailed: espeak-ng has no voice of this name.
        """
        self.set_voice(voice)
        buffer = ctypes.create_string_buffer(text.encode() + b"\0")
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        mode = IPA | TIE_BARS if tie_bars else IPA
        clauses: list[bytes] = []
        while position.value:  # each call converts one clause and moves the position, to null after the last
            clauses.append(self.library.espeak_TextToPhonemes(ctypes.byref(position), UTF8, mode) or b"")
        return _LANGUAGE_SWITCH.sub("", " ".join(clause.decode() for clause in clauses)).strip()


def phonemize_clauses(text: str, to_phonemes: Callable[[str], str]) -> Iterator[str]:
    """Yield phonemes and punctuation in turn: espeak-ng drops punctuation, but the models need it for their pauses."""
    for index, part in enumerate(_PUNCTUATION.split(text)):
        if part.strip():
            yield part if index % 2 else to_phonemes(part)  # odd parts are the pattern's group: punctuation


def _short_data_path(data: Path) -> Path:
    """Return a path that espeak-ng accepts: for a long one, a symbolic link that is removed when the process ends."""
    if len(str(data)) < MAX_DATA_PATH_CHARACTERS:
        return data
    folder = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / data.name).symlink_to(data)
    return folder / data.name
