"""Read a long transcript in pages, by time and by words, and as much of it as an answer has room for. Pure."""

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from mcp_server.calls.result_types import SegmentResult
from model_runtime.events import Segment, TranscriptionResult

MAX_PAGE_BYTES = 24_000
"""Of the text of a page: 8000 tokens, or half an hour of speech."""
RESERVED_ANSWER_BYTES = 7_000
"""Of an answer, for everything but the transcript: paths, notice, warnings, fence."""


@dataclass(frozen=True, slots=True)
class TranscriptQuery:
    """What is wanted of a transcript: a range of time in seconds, and words in this order, whatever their case."""

    from_seconds: float = 0.0
    to_seconds: float = math.inf
    find: str = ""


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    """A part of what a query finds. `next_from_seconds` is where the next page begins; None: this is the last."""

    segments: tuple[Segment, ...]
    found_count: int
    """The segments that the query finds, on this page and later ones."""
    next_from_seconds: float | None

    @property
    def text(self) -> str:
        """The segments, one a line, with their start."""
        return "\n".join(map(line_of, self.segments))


@dataclass(frozen=True, slots=True)
class InlinePart:
    """The beginning of a transcript that fits into an answer. `next_from_seconds` is None if that is all of it."""

    text: str
    segment_count: int
    next_from_seconds: float | None


def find_page(segments: Sequence[Segment], query: TranscriptQuery, max_bytes: int = MAX_PAGE_BYTES) -> TranscriptPage:
    """Return the first page of what a query finds: at least one segment, and so many that their text fits `max_bytes`.

    Asking again from `next_from_seconds` until it is None yields every segment that the query finds.
    """
    found = _with_words([segment for segment in segments if _is_within(segment, query)], query.find)
    sizes = accumulate(len(line_of(segment).encode()) + 1 for segment in found)
    fitting = sum(size <= max_bytes for size in sizes)
    starts = [math.floor(segment.start * 100) / 100 for segment in found]
    # a page ends before a segment that starts later than the page, or the next one would be the same
    count = next((n for n in range(max(fitting, 1), len(found)) if starts[n] > query.from_seconds), len(found))
    return TranscriptPage(tuple(found[:count]), len(found), starts[count] if count < len(found) else None)


def inline_part(transcript: TranscriptionResult, timestamps: str, max_bytes: int) -> InlinePart:
    """Return what an answer of `max_bytes` has room for: the whole text, or its first segments.

    `timestamps` is that argument of `transcribe`: with times each segment takes room twice.
    """
    segments = transcript.segments
    room_bytes = max_bytes - RESERVED_ANSWER_BYTES
    sizes = accumulate(_inline_bytes(segment, timestamps) for segment in segments)
    count = sum(size <= room_bytes for size in sizes)
    if count == len(segments):
        return InlinePart(transcript.text.strip(), count, None)
    text = "".join(segment.text for segment in segments[:count]).strip()
    return InlinePart(text, count, math.floor(segments[count].start * 100) / 100)


def segment_results(segments: Iterable[Segment], timestamps: str) -> list[SegmentResult] | None:
    """Return segments for a result, or None if no timestamps are requested."""
    if timestamps == "none":
        return None
    return [
        SegmentResult(
            start=round(segment.start, 2),
            end=round(segment.end, 2),
            text=segment.text.strip(),
            words=[(round(word.start, 2), round(word.end, 2), word.word.strip()) for word in segment.words]
            if timestamps == "word"
            else None,
        )
        for segment in segments
    ]


def line_of(segment: Segment) -> str:
    """Return a segment as a line: `[h:mm:ss] text`."""
    seconds = int(segment.start)
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"[{clock}] {' '.join(segment.text.split())}"


def _is_within(segment: Segment, query: TranscriptQuery) -> bool:
    begins_later = segment.end > query.from_seconds or segment.start >= query.from_seconds
    return begins_later and segment.start < query.to_seconds


def _with_words(segments: Sequence[Segment], find: str) -> list[Segment]:
    """Return the segments that hold a part of an occurrence of `find`; words may go on in the next segment."""
    wanted = _comparable(find)
    if not wanted:
        return list(segments)
    texts = [_comparable(segment.text) for segment in segments]
    whole = " ".join(texts)
    ends = list(accumulate(len(text) + 1 for text in texts))
    hits: set[int] = set()
    position, number = whole.find(wanted), 0
    while position >= 0:
        while ends[number] <= position:
            number += 1
        last = next(n for n in range(number, len(ends)) if ends[n] >= position + len(wanted))
        hits.update(range(number, last + 1))
        position = whole.find(wanted, position + 1)
    return [segments[number] for number in sorted(hits)]


def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _inline_bytes(segment: Segment, timestamps: str) -> int:
    results = segment_results([segment], timestamps) or []
    listed = sum(len(_json(result.model_dump(exclude_none=True))) + 1 for result in results)
    return len(_json(segment.text)) + listed


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
