"""Score the exported voice through the engine that serves it: `python -m training.voice.score --judge stt-starter`.

Two judges. The recognition starter, which knows the world's sentences but never heard this voice, writes down sentences
that the voice was never trained on; espeak-ng itself, speaking the same sentences, shows what the judge can do. And
words that were never trained on are compared with all of them as espeak-ng speaks them, which no recogniser can guess.
"""

import argparse
import hashlib
import json
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

import mlx_whisper  # noqa: E402

from model_runtime.engines.engine import JobEngine, LoadSpec  # noqa: E402
from model_runtime.engines.recognition import RecognitionEngine  # noqa: E402
from model_runtime.engines.speech import SpeechEngine  # noqa: E402
from model_runtime.events import AudioChunk, Transcript  # noqa: E402
from model_runtime.media.types import Sound  # noqa: E402
from model_runtime.requests import Speak, Transcribe  # noqa: E402
from training import world  # noqa: E402
from training.voice.config import RATE, VOICES  # noqa: E402
from training.voice.corpus import held_out_words  # noqa: E402
from training.voice.speech import Speaker  # noqa: E402

logger = logging.getLogger(__name__)

SENTENCES, WORDS = 64, 60
HEARD_RATE = 16_000


def held_out_sentences(rng: random.Random, count: int) -> list[str]:
    """Draw different sentences that no starter ever trains on."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = world.sentence(rng)
        if world.is_held_out(text):
            found[text] = None
    return list(found)


def load(engine: JobEngine, folder: Path) -> JobEngine:
    """Load a model from its folder."""
    engine.load(LoadSpec(folder.name, "", {"model": str(folder)}), lambda *_: None)
    return engine


def speak(voice: JobEngine, text: str, name: str, speed: float = 1.0) -> np.ndarray:
    """Speak through the engine; 24 kHz float32."""
    events = voice.run(Speak("", text, voice=name, speed=speed), lambda: None)
    pcm = b"".join(event.pcm for event in events if isinstance(event, AudioChunk))
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def hear(judge: JobEngine, samples: np.ndarray) -> str:
    """What the judge writes down, with half a second of silence before the speech."""
    heard = np.concatenate([np.zeros(HEARD_RATE // 2), resample_poly(samples, HEARD_RATE, RATE), np.zeros(HEARD_RATE)])
    pcm = (np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes()
    *_, result = judge.run(Transcribe("", Sound(HEARD_RATE, pcm), language="en"), lambda: None)
    assert isinstance(result, Transcript)
    return result.text


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Count the words to replace, add or drop to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def sentences_score(said: Sequence[str], heard: Sequence[str]) -> dict[str, Any]:
    """Give the word error rate, how many sentences are wholly right, and the wrong ones."""
    errors = [word_errors(one.split(), other.split()) for one, other in zip(said, heard, strict=True)]
    wrong = {one: other for one, other in zip(said, heard, strict=True) if one != other}
    rate = sum(errors) / sum(len(one.split()) for one in said)
    return {"sentences": len(said), "word_error_rate": round(rate, 4), "right": errors.count(0), "wrong": wrong}


def words_score(voice: JobEngine, speaker: Speaker, name: str) -> dict[str, Any]:
    """Count held-out words that sound more like espeak-ng's same word than like any of the others."""
    words = held_out_words()[:WORDS]
    real = [_features(speaker.say(word, VOICES[name])[0]) for word in words]
    right = 0
    for number, word in enumerate(words):
        made = _features(speak(voice, word, name))
        right += int(np.argmin([_distance(made, other) for other in real])) == number
    return {"words": len(words), "right": right}


def _features(samples: np.ndarray) -> np.ndarray:
    """Log-mel frames of the audible part, 20 ms apart."""
    from mlx_whisper.audio import log_mel_spectrogram

    heard = resample_poly(samples, HEARD_RATE, RATE)
    loud = np.flatnonzero(np.abs(heard) > 0.02 * np.abs(heard).max())
    return np.array(log_mel_spectrogram(heard[loud[0] : loud[-1] + 1].astype(np.float32), 80))[::2]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean cost of the cheapest way to walk through both together (dynamic time warping)."""
    costs = np.sqrt(((one[:, None] - other[None]) ** 2).sum(-1))
    total = np.full((len(one) + 1, len(other) + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            before = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = costs[row - 1, column - 1] + before
    return float(total[-1, -1] / (len(one) + len(other)))


def score(voice: JobEngine, judge: JobEngine, seed: int) -> dict[str, Any]:
    """Run all scores."""
    speaker, said = Speaker(), held_out_sentences(random.Random(seed), SENTENCES)
    found: dict[str, Any] = {}
    for name, espeak_voice in VOICES.items():
        begun = time.process_time()
        spoken = [speak(voice, text, name) for text in said]
        used = time.process_time() - begun
        found[name] = {
            **sentences_score(said, [hear(judge, samples) for samples in spoken]),
            "espeak": sentences_score(said, [hear(judge, speaker.say(text, espeak_voice)[0]) for text in said]),
            "held_out_words": words_score(voice, speaker, name),
            "processor_seconds_a_second": round(used / (sum(map(len, spoken)) / RATE), 3),
        }
        for speed in (0.75, 1.5):
            heard = [hear(judge, speak(voice, text, name, speed)) for text in said[:24]]
            found[name][f"speed {speed}"] = sentences_score(said[:24], heard)
    return found


def main() -> None:
    """Score and write scores.json beside the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("model_runtime/starter/tts-starter"))
    parser.add_argument("--judge", type=Path, default=Path("model_runtime/starter/stt-starter"))
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logger.info("judged by %s through mlx-whisper %s", asked.judge.name, mlx_whisper.__version__)
    weights = (asked.judge / "weights.safetensors").read_bytes()
    judge = {"model": asked.judge.name, "sha256": hashlib.sha256(weights).hexdigest()}
    scores = score(load(SpeechEngine(), asked.model), load(RecognitionEngine(), asked.judge), asked.seed)
    scores = {"judge": judge, **scores}
    (asked.model / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    logger.info("%s", json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
