"""A few voices of another kind: sentences spoken by flite, where it is installed."""

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from senses_training.recogniser.speech import RATE, Utterance, audible

KNOWN_VOICES, UNSEEN_VOICE = ("kal", "slt", "awb"), "rms"
NOWHERE = float("nan")


def is_installed() -> bool:
    """Tell whether the command is there."""
    return shutil.which("flite") is not None


def say(text: str, voice: str, rng: random.Random) -> Utterance:
    """Speak `text` at a random speed and pitch, without the silence around it; flite does not tell when words begin.

    Raises:
        CalledProcessError: flite refuses, for instance because it has no such voice.
    """
    settings = f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        spelled = (
            " ".join("A" if word == "a" else word for word in text.split()) if text.startswith("letter ") else text
        )
        subprocess.run(
            ["flite", "-voice", voice, "--setf", settings, "-t", spelled, "-o", str(file)], check=True, timeout=60
        )
        rate, samples = wavfile.read(file)
    sound = resample_poly(samples.astype(np.float32) / 32768, RATE, rate) if rate != RATE else samples / 32768
    first, last = audible(sound)
    kept = (sound[first:last].clip(-1, 1) * 32767).astype(np.int16)
    return Utterance(text, f"flite {voice}", kept, (NOWHERE,) * len(text.split()))
