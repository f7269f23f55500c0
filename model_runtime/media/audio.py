"""Recordings: any common audio or video file in, 16 kHz mono samples out.

What a file is, is told from its content, never from its name. PyAV carries the ffmpeg libraries; it is imported when
the first recording arrives.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from model_runtime.errors import InvalidMedia
from model_runtime.media.types import Audio

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SAMPLE_RATE = 16_000
MAX_SECONDS = 4 * 3600.0
MAX_DAMAGED_PACKETS = 50
ACCEPTED_FORMATS = "WAV, MP3, M4A, AAC, FLAC, OGG, WebM, AIFF, CAF, MP4, MOV or MKV"

# SDP files, playlists and devices would let an upload name hosts or other files; only containers may be opened.
DEMUXER_OPTIONS = {
    "format_whitelist": "mp3,mov,matroska,ogg,wav,flac,aac,aiff,caf,w64,mpegts,amr,asf,au,ac3",
    "protocol_whitelist": "pipe",
}


def decode_audio(source: bytes | BinaryIO, *, param: str = "audio", max_seconds: float = MAX_SECONDS) -> Audio:
    """Decode the first audio track of a file to 16 kHz mono.

    `source` is the file's content, or an open, seekable file. `param` names the value in errors. Damaged packets are
    left out, as ffmpeg's own tools do; a file cut short gives what is readable. Memory is bounded by `max_seconds`
    (32 kB a second).

    Raises:
        BadMedia: code `empty`, `unsupported`, `no_audio_stream`, `truncated` or `too_long`.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if not file.read(1):
        raise InvalidMedia(
            f"The recording is empty (0 bytes). Send a {ACCEPTED_FORMATS} file.", param=param, code="empty"
        )
    file.seek(0)
    max_bytes = int(max_seconds * SAMPLE_RATE) * 2
    pcm = io.BytesIO()
    with _open_container(file, param) as container:
        for chunk in _decode_chunks(container, param):
            pcm.write(chunk)
            if pcm.tell() > max_bytes:
                raise _too_long(max_seconds, param)
    if not pcm.tell():
        raise InvalidMedia(
            "The recording holds no sound that can be decoded; the file seems to be cut off. Send the whole file.",
            param=param,
            code="truncated",
        )
    return Audio(SAMPLE_RATE, pcm.getvalue())


def _open_container(file: BinaryIO, param: str) -> "InputContainer":
    import av

    try:
        container = av.open(file, mode="r", options=DEMUXER_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        message = f"The recording is in no format that can be read. Send a {ACCEPTED_FORMATS} file."
        raise InvalidMedia(message, param=param, code="unsupported") from error
    if not container.streams.audio:
        container.close()
        raise InvalidMedia(
            "The file has no audio track. Send a recording, or a video with sound.",
            param=param,
            code="no_audio_stream",
        )
    return container


def _decode_chunks(container: "InputContainer", param: str) -> Iterator[bytes]:
    import av

    resampler = _Resampler()
    try:
        for frame in _frames(container):
            yield from resampler.feed(frame)
        yield from resampler.close()
    except av.error.FFmpegError as error:
        message = f"The recording cannot be decoded ({type(error).__name__}). Convert it to WAV, MP3 or M4A."
        raise InvalidMedia(message, param=param, code="unsupported") from error


def _frames(container: "InputContainer") -> "Iterator[av.AudioFrame]":
    import av

    damaged = 0
    packets = container.demux(container.streams.audio[0])
    while (packet := _next_packet(packets)) is not None:
        try:
            yield from (frame for frame in packet.decode() if isinstance(frame, av.AudioFrame))
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > MAX_DAMAGED_PACKETS:
                return


def _next_packet(packets: Iterator[Any]) -> Any:
    """Return the next packet; None at the end, and where the file breaks off."""
    import av

    try:
        return next(packets, None)
    except (av.error.InvalidDataError, av.error.EOFError, av.error.OSError):
        return None


def _too_long(max_seconds: float, param: str) -> InvalidMedia:
    return InvalidMedia(
        f"The recording is longer than {max_seconds / 60:g} minutes. Send it in parts.", param=param, code="too_long"
    )


class _Resampler:
    """Turn frames of any shape into 16 kHz mono s16le; broadcasts and joined files change shape on the way."""

    def __init__(self) -> None:
        self._input_format: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def feed(self, frame: "av.AudioFrame") -> Iterator[bytes]:
        import av

        frame.pts = None  # gaps and jumps in timestamps must not become silence or errors
        input_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if input_format != self._input_format:
            yield from self.close()
            self._input_format = input_format
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        assert self._resampler is not None  # noqa: S101 - set with the first shape
        yield from map(_pcm_of, self._resampler.resample(frame))

    def close(self) -> Iterator[bytes]:
        if self._resampler is not None:
            yield from map(_pcm_of, self._resampler.resample(None))


def _pcm_of(frame: "av.AudioFrame | None") -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2] if frame is not None else b""
