"""What the voice is asked to say for its scores, and the engine that says it. What was said is kept in one file."""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from model_runtime.engines.engine import LoadSpec
from model_runtime.engines.speech import SpeechEngine
from model_runtime.events import AudioChunk
from model_runtime.requests import Speak
from training import world

LONG_TEXT = (
    "Good morning. A small red circle is above a blue square. Please open the file and read the message. "
    "Three green stars are on a white background. Number forty two, letter b c. Turn off the lights, and good night."
)
HARD = (
    *(f"letter {letter}" for letter in world.LETTERS),
    *(f"number {number}" for number in (*world.TEENS, *world.TENS)),
)
"""Where one sound makes the difference."""


def held_out_sentences(rng: random.Random, count: int) -> list[str]:
    """Draw different sentences that no starter ever trains on."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = world.sentence(rng)
        if world.is_held_out(text):
            found[text] = None
    return list(found)


def kind(text: str) -> str:
    """Tell what kind of sentence it is."""
    if world.parse(text):
        return "scenes, counted" if re.search(r"\b(two|three) ", text) else "scenes"
    if text.startswith("letter "):
        return "letters"
    counting = {"number", *world.DIGITS, *world.TEENS, *world.TENS}
    return "numbers" if set(text.split()) <= counting else "commands"


class Stage:
    """The voice, its folder, and a file that keeps what it said: speaking again takes minutes."""

    def __init__(self, folder: Path, kept: Path | None) -> None:
        self.engine = SpeechEngine()
        self.engine.load(LoadSpec(folder.name, "", {"model": str(folder)}), lambda *_: None)
        self._file, self._kept = kept, _stored(kept) if kept and kept.exists() else {}

    def chunks(self, text: str, voice: str, speed: float = 1.0) -> Iterator[np.ndarray]:
        """Speak anew: 24 kHz float32, chunk by chunk."""
        for event in self.engine.run(Speak("", text, voice=voice, speed=speed), lambda: None):
            if isinstance(event, AudioChunk):
                yield np.frombuffer(event.pcm, "<i2").astype(np.float32) / 32768

    def say(self, text: str, voice: str, speed: float = 1.0) -> np.ndarray:
        """Speak, or take it from the file."""
        key = f"{voice} {speed:g} {text}"
        if key not in self._kept:
            self._kept[key] = np.concatenate(list(self.chunks(text, voice, speed)))
        return self._kept[key]

    def keep(self) -> None:
        """Write the file."""
        if self._file:
            pcm = {key: (sound * 32767).astype(np.int16) for key, sound in self._kept.items()}
            np.savez(self._file, allow_pickle=False, **pcm)


def _stored(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as stored:
        sounds: Mapping[str, np.ndarray] = stored
        return {key: sounds[key].astype(np.float32) / 32767 for key in stored.files}
