"""Transcripts as subtitle files: SubRip (.srt) and WebVTT (.vtt, W3C)."""

from collections.abc import Iterable

from model_runtime.events import Segment


def to_srt(segments: Iterable[Segment]) -> str:
    """Write SubRip: numbered blocks with `HH:MM:SS,mmm` times."""
    blocks = [
        f"{number}\n{format_timestamp(segment.start, ',')} --> {format_timestamp(segment.end, ',')}\n{_join_lines(segment.text)}\n"
        for number, segment in enumerate(segments, 1)
    ]
    return "\n".join(blocks)


def to_vtt(segments: Iterable[Segment]) -> str:
    """Write WebVTT: a header and blocks with `HH:MM:SS.mmm` times; `-->` cannot be part of a cue's text."""
    blocks = [
        f"{format_timestamp(segment.start, '.')} --> {format_timestamp(segment.end, '.')}\n{_join_lines(segment.text).replace('-->', '->')}\n"
        for segment in segments
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def format_timestamp(seconds: float, decimal_separator: str) -> str:
    """Write a time as HH:MM:SS and milliseconds after `point`."""
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}{decimal_separator}{milliseconds % 1000:03d}"
    )


def _join_lines(text: str) -> str:
    """A blank line would end the block."""
    return " ".join(text.split())
