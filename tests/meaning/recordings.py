"""Recordings of known words, written in many file formats by ffmpeg's libraries."""

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from model_runtime.media.speech_encoder import FULL_SCALE, wav_header
from tests.meaning.face import TimedText
from tests.meaning.sounds import SAMPLE_RATE, decode_samples

CLIPS = Path(__file__).parent.parent / "clips"


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of tests/clips: its file, its words and their times in seconds."""

    file: bytes
    text: str
    seconds: float
    segments: tuple[TimedText, ...]


@cache
def clip(name: str) -> Clip:
    """Return a recording by its file name without suffix."""
    entry = next(one for one in _index() if one["file"] == f"{name}.flac")
    spans = tuple(TimedText(span["start"], span["end"], span["text"]) for span in entry["segments"])
    return Clip((CLIPS / entry["file"]).read_bytes(), entry["text"], entry["seconds"], spans)


def _index() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CLIPS / "index.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """An encoding: libav's container and codec, `rate` in Hz, and the gain of the speech on each channel."""

    container: str
    codec: str
    rate: int
    channel_gains: tuple[float, ...] = (1.0,)


def encode_clip(name: str, encoding: AudioEncoding) -> bytes:
    """Return a clip in another encoding."""
    layout = {1: "mono", 2: "stereo"}[len(encoding.channel_gains)]
    frame = av.AudioFrame.from_ndarray(
        np.array(encoding.channel_gains, np.float32)[:, None] * decode_samples(clip(name).file), "fltp", layout
    )
    frame.sample_rate = SAMPLE_RATE
    with av.open(file := io.BytesIO(), "w", format=encoding.container) as out:
        stream: Any = out.add_stream(encoding.codec, rate=encoding.rate, layout=layout)
        resampler = av.AudioResampler(stream.format, layout, encoding.rate, stream.codec_context.frame_size or 0)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def delayed_wav(name: str, seconds: int) -> bytes:
    """Return a WAV of a clip after `seconds` of silence."""
    pcm = (decode_samples(clip(name).file) * FULL_SCALE).astype("<i2").tobytes()
    silence = bytes(seconds * SAMPLE_RATE * 2)
    return wav_header(SAMPLE_RATE, len(silence + pcm)) + silence + pcm
