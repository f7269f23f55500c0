"""Decodes raw samples that arrive in pieces, such as those of a microphone or a telephone."""

from typing import TYPE_CHECKING, Literal, cast

from model_runtime.media.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import av

RawFormat = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
"""Signed 16-bit little-endian samples at 24 kHz; mu-law and A-law of telephones at 8 kHz (ITU-T G.711). All are mono."""
CODECS: dict[RawFormat, tuple[str, int, int]] = {
    "audio/pcm": ("pcm_s16le", 24_000, 2),
    "audio/pcmu": ("pcm_mulaw", 8_000, 1),
    "audio/pcma": ("pcm_alaw", 8_000, 1),
}
"""Format → FFmpeg's codec, samples a second and bytes a sample."""


class SoundStream:
    """Decodes one sound to 16 kHz mono s16le, piece by piece. The resampler keeps the last millisecond back."""

    def __init__(self, raw_format: RawFormat) -> None:
        import av

        codec, rate, self._sample_bytes = CODECS[raw_format]
        self._codec = cast("av.AudioCodecContext", av.CodecContext.create(codec, "r"))
        self._codec.sample_rate, self._codec.layout = rate, "mono"
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Return the samples that a piece brings; half a sample at its end waits for the next one."""
        import av

        data = self._rest + piece
        whole = len(data) - len(data) % self._sample_bytes
        self._rest = data[whole:]
        if not whole:
            return b""
        frames = self._codec.decode(av.Packet(data[:whole]))
        resampled = [each for frame in frames for each in self._resampler.resample(frame)]
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in resampled)
