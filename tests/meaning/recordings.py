"""Recordings of known words in every kind of file they may come in, written by ffmpeg's libraries."""

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from model_runtime.media.speech import FULL_SCALE, wav_header
from tests.meaning.face import Span
from tests.meaning.sounds import RATE, samples

CLIPS = Path(__file__).parent.parent / "clips"


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of tests/clips: its file, what is said in it and when."""

    file: bytes
    text: str
    seconds: float
    segments: tuple[Span, ...]


@cache
def clip(name: str) -> Clip:
    """Look up a recording by its name without ending."""
    facts = next(one for one in _index() if one["file"] == f"{name}.flac")
    spans = tuple(Span(span["start"], span["end"], span["text"]) for span in facts["segments"])
    return Clip((CLIPS / facts["file"]).read_bytes(), facts["text"], facts["seconds"], spans)


def _index() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CLIPS / "index.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of recording: libav's container and codec, samples a second, and how loud the speech is on each side."""

    container: str
    codec: str
    rate: int
    sides: tuple[float, ...] = (1.0,)


def recorded(name: str, form: Form) -> bytes:
    """A clip as another kind of recording."""
    layout = {1: "mono", 2: "stereo"}[len(form.sides)]
    frame = av.AudioFrame.from_ndarray(
        np.array(form.sides, np.float32)[:, None] * samples(clip(name).file), "fltp", layout
    )
    frame.sample_rate = RATE
    with av.open(file := io.BytesIO(), "w", format=form.container) as out:
        stream: Any = out.add_stream(form.codec, rate=form.rate, layout=layout)
        resampler = av.AudioResampler(stream.format, layout, form.rate, stream.codec_context.frame_size or 0)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def later(name: str, seconds: int) -> bytes:
    """A clip after so many seconds of silence, as a WAV."""
    pcm = (samples(clip(name).file) * FULL_SCALE).astype("<i2").tobytes()
    silence = bytes(seconds * RATE * 2)
    return wav_header(RATE, len(silence + pcm)) + silence + pcm
