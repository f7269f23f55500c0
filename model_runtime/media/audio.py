"""Decode audio and video files to 16 kHz mono samples. The content decides the format, never the file's name.

PyAV brings the ffmpeg libraries. It is imported by the first recording, to keep an idle daemon small.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, BinaryIO

from model_runtime.errors import InvalidMedia
from model_runtime.media.types import WHOLE_RECORDING, Audio, TimeRange

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SAMPLE_RATE = 16_000
"""Hz, the rate of Whisper."""
MAX_SECONDS = 4 * 3600.0
DURATION_TOLERANCE_SECONDS = 1.0
"""How much longer than the limit a container may state to be: padding of a codec is counted, too."""
MAX_DAMAGED_PACKETS = 50
ACCEPTED_FORMATS = "WAV, MP3, M4A, AAC, FLAC, OGG, WebM, AIFF, CAF, MP4, MOV or MKV"

# only containers: an SDP file, a playlist or a device would let an upload open hosts or other files
DEMUXER_OPTIONS = {
    "format_whitelist": "mp3,mov,matroska,ogg,wav,flac,aac,aiff,caf,w64,mpegts,amr,asf,au,ac3",
    "protocol_whitelist": "pipe",
}


EXACT_DURATION_FORMATS = frozenset({"flac", "ogg", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Containers that state their duration. ffmpeg estimates that of others from the bit rate, and a WAV that was written to
a pipe states the longest one there is."""


def decode_audio(
    source: bytes | BinaryIO,
    *,
    param: str = "audio",
    max_seconds: float = MAX_SECONDS,
    part: TimeRange = WHOLE_RECORDING,
) -> Audio:
    """Decode `part` of the first audio track of a file to 16 kHz mono.

    `source` is the content of a file, or an open seekable one. `param` names the parameter in errors. Damaged packets
    are skipped, as ffmpeg does, and a truncated file is decoded up to its end. `max_seconds` bounds the memory, at
    32 kB per second.

    Raises:
        InvalidMedia: the file cannot be decoded; `code` is `empty`, `unsupported`, `no_audio_stream`, `truncated`,
            `too_long`, or `too_short` if the recording ends before `part` begins.
    """
    pcm = io.BytesIO()
    return replace(write_audio(source, pcm, param=param, max_seconds=max_seconds, part=part), content=pcm.getvalue())


def write_audio(
    source: bytes | BinaryIO,
    out: BinaryIO,
    *,
    param: str = "audio",
    max_seconds: float = MAX_SECONDS,
    part: TimeRange = WHOLE_RECORDING,
) -> Audio:
    """Decode as `decode_audio`, write the samples to `out` piece by piece and return the recording without them.

    Raises:
        InvalidMedia: as for `decode_audio`.
        OSError: `out` cannot be written.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    if not file.read(1):
        message = f"The recording is empty (0 bytes). Send a {ACCEPTED_FORMATS} file."
        raise InvalidMedia(message, param=param, code="empty")
    file.seek(0)
    written_bytes, decoded_bytes = 0, 0
    with _open_container(file, param) as container:
        _check_stated_duration(container, max_seconds, part, param)
        for chunk in _decode_chunks(container, param):
            written_bytes += out.write(_inside(chunk, decoded_bytes, part))
            decoded_bytes += len(chunk)
            if written_bytes > _byte_offset(max_seconds):
                raise _too_long(f"is longer than {_minutes(max_seconds)}", param)
            if decoded_bytes >= _byte_offset(part.end_seconds):
                break
    _check_some_written(written_bytes, decoded_bytes, part, param)
    return Audio(SAMPLE_RATE, b"")


def _check_some_written(written_bytes: int, decoded_bytes: int, part: TimeRange, param: str) -> None:
    if decoded_bytes and not written_bytes:
        seconds = decoded_bytes / 2 / SAMPLE_RATE
        message = f"The recording has only {seconds:.1f} s; the part that is wanted begins at {part.start_seconds:g} s."
        raise InvalidMedia(message, param=param, code="too_short")
    if not written_bytes:
        message = "The recording has no audio that can be decoded; the file seems to be truncated. Send the whole file."
        raise InvalidMedia(message, param=param, code="truncated")


def _byte_offset(seconds: float) -> float:
    """Return the offset of a time in the samples, in bytes."""
    return seconds if seconds == inf else int(seconds * SAMPLE_RATE) * 2


def _inside(chunk: bytes, offset: int, part: TimeRange) -> bytes:
    """Return the bytes of a chunk that belong to `part`; `offset` is where the chunk begins."""
    start, end = (_byte_offset(seconds) - offset for seconds in (part.start_seconds, part.end_seconds))
    return chunk[int(max(start, 0)) : int(min(max(end, 0), len(chunk)))]


def _check_stated_duration(container: "InputContainer", max_seconds: float, part: TimeRange, param: str) -> None:
    """Refuse a part that is too long by the container's duration, before anything is decoded."""
    import av

    if container.format.name in EXACT_DURATION_FORMATS and container.duration is not None:
        seconds = min(container.duration / av.time_base, part.end_seconds) - part.start_seconds
        if seconds > max_seconds + DURATION_TOLERANCE_SECONDS:
            raise _too_long(
                f"has {_minutes(seconds)} by its header; at most {_minutes(max_seconds)} are accepted", param
            )


def _open_container(file: BinaryIO, param: str) -> "InputContainer":
    import av

    try:
        container = av.open(file, mode="r", options=DEMUXER_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        message = f"The format of the recording is not supported. Send a {ACCEPTED_FORMATS} file."
        raise InvalidMedia(message, param=param, code="unsupported") from error
    if not container.streams.audio:
        container.close()
        message = "The file has no audio track. Send a recording, or a video with sound."
        raise InvalidMedia(message, param=param, code="no_audio_stream")
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
    """Return the next packet; None at the end of the file, even if it is truncated."""
    import av

    try:
        return next(packets, None)
    except (av.error.InvalidDataError, av.error.EOFError, av.error.OSError):
        return None


def _too_long(problem: str, param: str) -> InvalidMedia:
    return InvalidMedia(f"The recording {problem}. Send it in parts.", param=param, code="too_long")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.4g} minutes ({seconds:.0f} seconds)"


class _Resampler:
    """Resample frames of any format to 16 kHz mono s16le. Broadcasts and joined files change their format midway."""

    def __init__(self) -> None:
        self._input_format: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def feed(self, frame: "av.AudioFrame") -> Iterator[bytes]:
        import av

        frame.pts = None  # gaps in the timestamps must not become silence or errors
        input_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if input_format != self._input_format:
            yield from self.close()
            self._input_format = input_format
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        assert self._resampler is not None  # noqa: S101 - set with the first format
        yield from map(_pcm_of, self._resampler.resample(frame))

    def close(self) -> Iterator[bytes]:
        if self._resampler is not None:
            yield from map(_pcm_of, self._resampler.resample(None))


def _pcm_of(frame: "av.AudioFrame | None") -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2] if frame is not None else b""
