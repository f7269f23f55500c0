"""Who writes down what the voice says: the recognition starter, and PocketSphinx, which never heard a machine.

PocketSphinx is an optional tool, not a dependency of Senses: `pip install pocketsphinx` (5.1.1 gave our scores). Its
wheel carries a model of US English that was trained on people. It is told which sentences there are
(`senses_training.voice.grammar`), as a voice command system would be, but not how likely they are.
"""

import hashlib
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.signal import resample_poly

from senses_training.voice.config import RATE
from senses_training.voice.grammar import jsgf

HEARD_RATE = 16_000
QUIET_SECONDS = 0.5
"""Before and after the speech."""


class Judge(Protocol):
    """Writes down 24 kHz samples in -1..1; `name` and `edition` say who judged."""

    name: str
    edition: str

    def hear(self, samples: np.ndarray) -> str:
        """Return the words heard, in lower case."""
        ...


class Starter:
    """The recognition starter, through the engine that serves it."""

    def __init__(self, folder: Path) -> None:
        from model_runtime.catalog.builtin_models import starter_options
        from model_runtime.engines.transcription.engine import TranscriptionEngine
        from model_runtime.loading import LoadSpec

        self.name = folder.name
        self.edition = f"sha256 {hashlib.sha256((folder / 'weights.safetensors').read_bytes()).hexdigest()}"
        self._engine = TranscriptionEngine()
        spec = LoadSpec(folder.name, "", {"model": str(folder)}, starter_options("stt-starter"))
        self._engine.load(spec, lambda *_: None)

    def hear(self, samples: np.ndarray) -> str:
        """Write down what is said."""
        from model_runtime.events import TranscriptionResult
        from model_runtime.media.types import Audio
        from model_runtime.requests import Transcribe

        sound = Audio(HEARD_RATE, _pcm(_between_quiet(samples)))
        *_, result = self._engine.run(Transcribe("", sound, language="en"), lambda: None)
        assert isinstance(result, TranscriptionResult)
        return result.text


class Sphinx:
    """PocketSphinx with the world's grammar."""

    def __init__(self) -> None:
        """Raise `ModuleNotFoundError` where PocketSphinx is not installed."""
        from pocketsphinx import Decoder

        self.name, self.edition = "pocketsphinx en-us", version("pocketsphinx")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "world.gram"
            file.write_text(jsgf())
            self._decoder: Any = Decoder(jsgf=str(file), lm=None, loglevel="FATAL")

    def hear(self, samples: np.ndarray) -> str:
        """Write down what is said; "" where nothing of the grammar is heard."""
        heard = _between_quiet(samples)
        noise = np.random.default_rng(0).normal(0, 1e-4, len(heard))
        self._decoder.start_utt()
        self._decoder.process_raw(
            _pcm(heard / max(1e-6, 2 * float(np.abs(heard).max())) + noise), no_search=False, full_utt=True
        )
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return str(found.hypstr) if found else ""


def _between_quiet(samples: np.ndarray) -> np.ndarray:
    quiet = np.zeros(int(QUIET_SECONDS * HEARD_RATE))
    return np.concatenate([quiet, resample_poly(samples, HEARD_RATE, RATE), quiet])


def _pcm(samples: np.ndarray) -> bytes:
    pcm: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm
