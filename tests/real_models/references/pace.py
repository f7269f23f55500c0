"""Do what another library does with the same weights, once for each line read, and print the seconds that it took.

    python -m tests.real_models.references.pace faster-whisper   # lines are paths of WAV files
    python -m tests.real_models.references.pace onnxruntime      # lines are ignored: always the first of `kokoro.CASES`

The line before them is the time to load the model. It runs in the environment of the references.
"""

import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np


def main() -> None:
    """Load the model, then work for each line."""
    started = time.perf_counter()
    work = {"faster-whisper": open_whisper, "onnxruntime": open_kokoro}[sys.argv[1]]()
    tell(time.perf_counter() - started)
    for line in map(str.strip, sys.stdin):
        started = time.perf_counter()
        work(line)
        tell(time.perf_counter() - started)


def tell(seconds: float) -> None:
    """Write a line of seconds."""
    sys.stdout.write(f"{seconds}\n")
    sys.stdout.flush()


def open_whisper() -> Callable[[str], None]:
    """Return what transcribes a file greedily, in float32, as the kept reference does."""
    from faster_whisper import WhisperModel

    from tests.real_models.references.whisper import GREEDY, write_ctranslate2_model

    with tempfile.TemporaryDirectory() as folder:
        write_ctranslate2_model(Path(folder))
        model = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=2)

    def transcribe(path: str) -> None:
        with wave.open(path) as opened:
            samples = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        segments, _ = model.transcribe(samples.astype(np.float32) / 32768, language="en", **GREEDY)
        list(segments)

    return transcribe


def open_kokoro() -> Callable[[str], None]:
    """Return what speaks one sentence."""
    from tests.real_models.references.kokoro import CASES, open_session, tensors_of

    session, archives, vocabulary = open_session()
    given = tensors_of(CASES[0], archives, vocabulary)

    def speak(_: str) -> None:
        session.run(None, given)

    return speak


if __name__ == "__main__":
    main()
