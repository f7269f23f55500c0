"""Recordings in every container an upload may come in, written by ffmpeg's libraries."""

import io
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from model_runtime.media.types import Audio

FILM_SIDE, FILM_RATE = 64, 10
JUNK = bytes(range(1, 200)) * 4
"""What some recorders leave before an MP3."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Container and codec of libav. A live one is written to a pipe: nothing in it is known before its end."""

    container: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    sample_format: str = ""
    rate: int = 48_000
    is_live: bool = False
    has_film: bool = False
    before: bytes = b""
    codec_options: Mapping[str, str] = field(default_factory=dict)
    channels: int = 1


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
ENCODINGS: Mapping[str, Encoding] = {
    "wav": Encoding("wav", "pcm_s16le"),
    "wav 24 bit": Encoding("wav", "pcm_s24le"),
    "wav float": Encoding("wav", "pcm_f32le"),
    "wav telephone": Encoding("wav", "pcm_alaw"),
    "wav without a length": Encoding("wav", "pcm_s16le", is_live=True),
    "mp3": Encoding("mp3", "libmp3lame"),
    "mp3 after junk": Encoding("mp3", "libmp3lame", before=JUNK),
    "m4a": Encoding("ipod", "aac"),
    "m4a lossless": Encoding("ipod", "alac"),
    "aac": Encoding("adts", "aac"),
    "flac": Encoding("flac", "flac"),
    "flac 24 bit 96 kHz": Encoding("flac", "flac", sample_format="s32", rate=96_000),
    "ogg opus": Encoding("ogg", "libopus"),
    "ogg vorbis": Encoding("ogg", "vorbis", codec_options={"strict": "experimental"}, channels=2),
    "webm": Encoding("webm", "libopus"),
    "webm without an index": Encoding("webm", "libopus", is_live=True),
    "mkv": Encoding("matroska", "libopus"),
    "mp4": Encoding("mp4", "aac"),
    "mp4 in fragments": Encoding("mp4", "aac", FRAGMENTS, is_live=True),
    "mp4 film": Encoding("mp4", "aac", has_film=True),
    "mov": Encoding("mov", "aac"),
    "aiff": Encoding("aiff", "pcm_s16be"),
    "caf": Encoding("caf", "pcm_s16le"),
    "au": Encoding("au", "pcm_s16be"),
    "ac3": Encoding("ac3", "ac3"),
    "mpegts": Encoding("mpegts", "aac"),
}
"""What people call it → how libav writes it. `m4a` has its index at the end, as libav and iPhones write it."""


class Pipe(io.RawIOBase):
    """A file that can only be written to, at its end."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, data: Any) -> int:
        """Add bytes."""
        self.content += data
        return len(data)


def sine_pcm(frequency_hz: float, seconds: float, *, rate: int = 16_000, level: float = 0.3) -> bytes:
    """A sine as mono s16le."""
    values = (int(level * 32767 * math.sin(2 * math.pi * frequency_hz * n / rate)) for n in range(int(seconds * rate)))
    return array("h", values).tobytes()


def chirp(seconds: float, *, rate: int = 16_000) -> np.ndarray:
    """A tone that rises and swells, so that no part of it is like another: float (samples,) in -0.4..0.4."""
    time = np.arange(int(seconds * rate)) / rate
    swell = 0.25 + 0.15 * np.sin(2 * np.pi * 1.7 * time)
    return np.asarray(swell * np.sin(2 * np.pi * (200 * time + 150 * time**2)))


def to_pcm(samples: np.ndarray) -> bytes:
    """Samples as mono s16le."""
    return (samples * 32767).astype("<i2").tobytes()


def alignment(sound: Audio, source: np.ndarray) -> tuple[float, float]:
    """How much later `sound` is than `source` (samples at the same rate), in seconds, and their correlation then."""
    heard = np.frombuffer(sound.pcm, "<i2") / 32768
    length = 1 << (len(heard) + len(source)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, length) * np.fft.rfft(source, length).conj(), length)
    lag = int(product.argmax())
    lag -= length if lag > length // 2 else 0
    ours, theirs = heard[max(lag, 0) :], source[max(-lag, 0) :]
    common = min(len(ours), len(theirs))
    return lag / sound.sample_rate, float(np.corrcoef(ours[:common], theirs[:common])[0, 1])


def encode_recording(kind: str, pcm: bytes, *, rate: int = 48_000, channels: int = 1) -> bytes:
    """Write 48 kHz samples (the same in every channel) as a file of this kind."""
    encoding = ENCODINGS[kind]
    channels = max(channels, encoding.channels)
    layout = {1: "mono", 2: "stereo"}[channels]
    file: io.BytesIO | Pipe = Pipe() if encoding.is_live else io.BytesIO()
    with av.open(file, "w", format=encoding.container, options=dict(encoding.options)) as out:
        film = add_film(out) if encoding.has_film else None
        stream_rate = encoding.rate if rate == 48_000 else rate
        options = dict(encoding.codec_options)
        stream: Any = out.add_stream(encoding.codec, rate=stream_rate, layout=layout, options=options)
        if encoding.sample_format:
            stream.format = encoding.sample_format
        resampler = av.AudioResampler(stream.format, layout, stream_rate, stream.codec_context.frame_size or 0)
        samples = np.repeat(np.frombuffer(pcm, "<i2"), channels)[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
        frame.sample_rate = rate
        if film is not None:
            write_film(out, film, len(pcm) / 2 / rate)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return encoding.before + (bytes(file.content) if isinstance(file, Pipe) else file.getvalue())


def add_film(out: Any) -> Any:
    """Add pictures of H.264 to a container."""
    stream = out.add_stream("libx264", rate=FILM_RATE)
    stream.width = stream.height = FILM_SIDE
    stream.pix_fmt = "yuv420p"
    return stream


def write_film(out: Any, stream: Any, seconds: float) -> None:
    """Write gray pictures."""
    for _ in range(int(seconds * FILM_RATE)):
        out.mux(stream.encode(av.VideoFrame(FILM_SIDE, FILM_SIDE, "yuv420p")))
    out.mux(stream.encode(None))


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
