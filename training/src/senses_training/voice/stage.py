"""The voice behind the engine that serves it. What it said is kept in one file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from model_runtime.engines.speech.engine import SpeechEngine
from model_runtime.events import AudioChunk
from model_runtime.loading import LoadSpec
from model_runtime.requests import Speak


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
