"""Recordings in every container an upload may come in, written by ffmpeg's libraries."""

import io
import math
from array import array
from typing import Any

import av
import numpy as np

from model_runtime.media.types import Audio

ENCODINGS: dict[str, tuple[str, str]] = {
    "wav": ("wav", "pcm_s16le"),
    "wav float": ("wav", "pcm_f32le"),
    "wav telephone": ("wav", "pcm_alaw"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "flac": ("flac", "flac"),
    "ogg opus": ("ogg", "libopus"),
    "webm": ("webm", "libopus"),
    "mkv": ("matroska", "libopus"),
    "mp4": ("mp4", "aac"),
    "mov": ("mov", "aac"),
    "aiff": ("aiff", "pcm_s16be"),
    "caf": ("caf", "pcm_s16le"),
    "au": ("au", "pcm_s16be"),
    "ac3": ("ac3", "ac3"),
    "mpegts": ("mpegts", "aac"),
}
"""What people call it → container and codec of libav."""


def sine_pcm(frequency_hz: float, seconds: float, *, rate: int = 16_000, level: float = 0.3) -> bytes:
    """A sine as mono s16le."""
    values = (int(level * 32767 * math.sin(2 * math.pi * frequency_hz * n / rate)) for n in range(int(seconds * rate)))
    return array("h", values).tobytes()


def encode_recording(kind: str, pcm: bytes, *, rate: int = 48_000, channels: int = 1) -> bytes:
    """Write 48 kHz samples (the same in every channel) as a file of this kind."""
    container, codec = ENCODINGS[kind]
    layout = {1: "mono", 2: "stereo"}[channels]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(stream.format, layout, rate, stream.codec_context.frame_size or 0)
        samples = np.repeat(np.frombuffer(pcm, "<i2"), channels)[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
        frame.sample_rate = rate
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def dominant_hertz(sound: Audio) -> float:
    """The loudest frequency of a recording, in Hz."""
    samples = np.frombuffer(sound.pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() / sound.duration_seconds)


def peak_level(sound: Audio) -> float:
    """How loud the middle of a recording is, 0..1."""
    samples = np.frombuffer(sound.pcm, "<i2").astype(float)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.abs(middle).max() / 32768)
