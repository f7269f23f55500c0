"""Encode mono signed 16-bit samples as MP3, Opus, AAC, FLAC, WAV or PCM.

One encoder serves one response: a new encoder for every chunk would start each with silence.
"""

import io
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model_runtime.errors import InvalidInput

if TYPE_CHECKING:
    import av

CONTENT_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
UNKNOWN_LENGTH = 0xFFFFFFFF
"""Size in the header of a WAV stream; players read it as "until the end"."""
OPUS_SAMPLE_RATE = 48_000
FULL_SCALE = 32_768
"""Sample value of amplitude 1.0."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How libav writes a format. A `seekable` one is sent as a whole, because its header has the length."""

    container: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the container."""
    codec_options: Mapping[str, str] = field(default_factory=dict)
    seekable: bool = False
    sample_rate: int = 0
    """In Hz; 0 for that of the speech."""


_MP3_OPTIONS: Mapping[str, str] = {"compression_level": "7", "b": "64000"}
"""Level 7 takes half the time of the default, 5, and comes as near to the samples; 32 kbit/s, the default, does not."""
_CODECS: Mapping[str, _Codec] = {
    "mp3": _Codec("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}, _MP3_OPTIONS),
    # pages of 20 ms (in microseconds), so that the first page is sent at once; the default is one second
    "opus": _Codec("ogg", "libopus", {"page_duration": "20000"}),
    # the codec adds up to two frames of 1024 samples, which last 43 ms at this rate; the fast coder takes 0.4 of the
    # default's time and is nearer to the samples of speech
    "aac": _Codec("adts", "aac", codec_options={"aac_coder": "fast"}, sample_rate=48_000),
    "flac": _Codec("flac", "flac", seekable=True),
}
_FILE_CODECS: Mapping[str, _Codec] = {
    **_CODECS,
    # the Xing frame says how many samples the encoder added at both ends, so that players leave them out
    "mp3": _Codec("mp3", "libmp3lame", {"id3v2_version": "0"}, _MP3_OPTIONS, seekable=True),
}
"""The same for files, whose length is known before their first byte is sent."""


class SpeechEncoder:
    """Encode one stream of speech. `feed` returns bytes to send now, `close` the rest.

    WAV starts with a 44-byte header whose sizes are `UNKNOWN_LENGTH`. FLAC is returned as a whole by `close`. What the
    codec adds makes MP3 up to 70 ms longer than samples at 24 kHz, and AAC up to 45 ms: a stream cannot tell how much.
    """

    def __init__(self, format: str, sample_rate: int) -> None:  # noqa: A002 - the user's word
        """Start a stream in `format`, a key of `CONTENT_TYPES`. `sample_rate` is in Hz.

        Raises:
            InvalidInput: the format is unknown.
        """
        validate_format(format)
        self._header = wav_header(sample_rate) if format == "wav" else b""
        self._encoder = _LibavEncoder(_CODECS[format], sample_rate) if format in _CODECS else None

    def feed(self, pcm: bytes) -> bytes:
        """Encode mono s16le samples and return the bytes that are ready."""
        header, self._header = self._header, b""
        return self._encoder.feed(pcm) if self._encoder is not None else header + pcm

    def close(self) -> bytes:
        """End the stream and return its last bytes."""
        header, self._header = self._header, b""
        return self._encoder.close() if self._encoder is not None else header


def encode_speech(pcm: bytes, sample_rate: int, format: str) -> bytes:  # noqa: A002 - the user's word
    """Encode mono s16le samples as a file. The header has the true length, if the format has one.

    An AAC file is up to 45 ms longer than the samples: its container cannot tell what the codec adds.

    Raises:
        InvalidInput: the format is unknown.
    """
    validate_format(format)
    if format not in _FILE_CODECS:
        return wav_header(sample_rate, len(pcm)) + pcm if format == "wav" else pcm
    encoder = _LibavEncoder(_FILE_CODECS[format], sample_rate)
    return encoder.feed(pcm) + encoder.close()


def validate_format(format: str) -> None:  # noqa: A002 - the user's word
    """Check that `format` is a key of `CONTENT_TYPES`.

    Raises:
        InvalidInput: the format is unknown.
    """
    if format not in CONTENT_TYPES:
        message = f"The speech format {format!r} is not supported. Use one of {', '.join(CONTENT_TYPES)}."
        raise InvalidInput(message, param="response_format")


def wav_header(sample_rate: int, data_bytes: int = UNKNOWN_LENGTH) -> bytes:
    """Return the 44-byte RIFF header of mono 16-bit samples. `sample_rate` is in Hz, `data_bytes` is their size."""
    riff_bytes = data_bytes if data_bytes == UNKNOWN_LENGTH else data_bytes + 36
    layout = (16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", riff_bytes, b"WAVE", b"fmt ", *layout, b"data", data_bytes)


class _StreamBuffer:
    """A file that cannot seek, so that libav writes the header of a stream and does not return to it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def drain(self) -> bytes:
        drained, self._written = bytes(self._written), bytearray()
        return drained


class _SeekableBuffer(io.BytesIO):
    """A file that can seek. `drain` returns nothing, because the header is written last."""

    def drain(self) -> bytes:
        return b""


class _LibavEncoder:
    def __init__(self, codec: _Codec, sample_rate: int) -> None:
        import av

        self._sample_rate = sample_rate
        self._buffer: _StreamBuffer | _SeekableBuffer = _SeekableBuffer() if codec.seekable else _StreamBuffer()
        options = {**codec.options, "flush_packets": "1"}
        self._container = av.open(self._buffer, "w", format=codec.container, options=options, buffer_size=512)
        rate = codec.sample_rate or _output_rate(codec.codec, sample_rate)
        self._stream: Any = self._container.add_stream(
            codec.codec, rate=rate, layout="mono", options=dict(codec.codec_options)
        )
        context: Any = self._stream.codec_context
        context.open()
        self._resampler = av.AudioResampler(context.format, "mono", rate, context.frame_size or 0)

    def feed(self, pcm: bytes) -> bytes:
        if pcm:
            self._write(self._resampler.resample(_audio_frame(pcm, self._sample_rate)))
        return self._buffer.drain()

    def close(self) -> bytes:
        self._write(self._resampler.resample(None))
        # a packet of bytes without a duration holds nothing but the codec's padding
        packets = self._stream.encode(None)
        self._container.mux([packet for packet in packets if packet.duration or not packet.size])
        self._container.close()
        return self._buffer.getvalue() if isinstance(self._buffer, _SeekableBuffer) else self._buffer.drain()

    def _write(self, frames: "Iterable[av.AudioFrame | None]") -> None:
        for frame in frames:
            if frame is not None:
                self._container.mux(self._stream.encode(frame))


def _audio_frame(pcm: bytes, sample_rate: int) -> "av.AudioFrame":
    import av

    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = sample_rate
    frame.planes[0].update(pcm)
    return frame


def _output_rate(codec: str, sample_rate: int) -> int:
    """Return `sample_rate`, or 48 kHz if the codec does not support it."""
    import av

    rates = av.Codec(codec, "w").audio_rates
    return sample_rate if not rates or sample_rate in rates else OPUS_SAMPLE_RATE
