"""A spoken and measured text, and many of them in one file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Utterance:
    """One text, spoken and measured. `durations` are frames a token; the curves have two values a frame."""

    text: str
    voice: str
    rate: int
    tokens: np.ndarray
    durations: np.ndarray
    sound: np.ndarray
    pitch: np.ndarray
    loudness: np.ndarray


ARRAYS = ("tokens", "durations", "sound", "pitch", "loudness")
KINDS = {"tokens": np.int16, "durations": np.int16, "sound": np.float16, "pitch": np.float32, "loudness": np.float32}


def save(utterances: list[Utterance], path: Path) -> None:
    """Write all arrays end to end, with a JSON index of texts and lengths."""
    index = [
        (one.text, one.voice, one.rate, [len(getattr(one, name)) for name in ARRAYS]) for one in utterances
    ]  # fmt: skip
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in utterances]).astype(KINDS[name]) for name in ARRAYS
    }
    np.savez(path, index=np.frombuffer(json.dumps(index).encode(), np.uint8), **arrays)


def load(path: Path) -> list[Utterance]:
    """Read what `save` wrote."""
    with np.load(path) as stored:
        index = json.loads(stored["index"].tobytes())
        arrays: dict[str, Any] = {name: stored[name] for name in ARRAYS}
    ends = np.cumsum([lengths for *_, lengths in index], axis=0)
    rows = [
        {name: arrays[name][end - size : end] for name, end, size in zip(ARRAYS, row, lengths, strict=True)}
        for row, (*_, lengths) in zip(ends, index, strict=True)
    ]
    return [Utterance(text, voice, rate, **row) for row, (text, voice, rate, _) in zip(rows, index, strict=True)]
