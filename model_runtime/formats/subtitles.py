"""Format transcripts as subtitles: SubRip (.srt) and WebVTT (.vtt, https://www.w3.org/TR/webvtt1/)."""

from collections.abc import Iterable
from dataclasses import replace

from model_runtime.events import Segment


def to_srt(segments: Iterable[Segment]) -> str:
    """Return SubRip: numbered blocks with `HH:MM:SS,mmm` times."""
    return "\n".join(f"{number}\n{_cue(segment, ',')}\n" for number, segment in enumerate(segments, 1))


def to_vtt(segments: Iterable[Segment]) -> str:
    """Return WebVTT: a header and blocks with `HH:MM:SS.mmm` times."""
    # the text of a cue must not contain "-->"
    cues = (_cue(replace(segment, text=segment.text.replace("-->", "->")), ".") for segment in segments)
    return "\n".join(["WEBVTT\n", *(f"{cue}\n" for cue in cues)])


def format_timestamp(seconds: float, decimal_separator: str) -> str:
    """Return a time as HH:MM:SS, the separator and milliseconds."""
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}"
    return f"{clock}{decimal_separator}{milliseconds % 1000:03d}"


def _cue(segment: Segment, decimal_separator: str) -> str:
    start, end = (format_timestamp(seconds, decimal_separator) for seconds in (segment.start, segment.end))
    text = " ".join(segment.text.split())  # a blank line would end the block
    return f"{start} --> {end}\n{text}"
