"""Long transcripts are read in pages, by time and by words, and nothing is lost between two pages."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.calls.transcript_formats import parse_json, render, shifted
from mcp_server.calls.transcript_pages import (
    RESERVED_ANSWER_BYTES,
    TranscriptQuery,
    find_page,
    inline_part,
    line_of,
    segment_results,
)
from model_runtime.events import Segment, TranscriptionResult, Word

TIMES = st.floats(0, 15_000)
SEGMENTS = st.lists(st.builds(Segment, st.just(0), TIMES, TIMES, st.text(max_size=40)), max_size=30).map(
    lambda segments: sorted(segments, key=lambda segment: segment.start)
)


def talk(*texts: str) -> list[Segment]:
    """Ten seconds each."""
    return [Segment(number, number * 10.0, number * 10.0 + 10, f" {text}") for number, text in enumerate(texts)]


def starts(segments: list[Segment], query: TranscriptQuery) -> list[float]:
    return [segment.start for segment in find_page(segments, query).segments]


@pytest.mark.promise("mcp:long-recordings")
@given(SEGMENTS, TIMES, st.integers(1, 300))
@settings(max_examples=60)
def test_page_after_page_yields_every_segment_from_the_time_on(
    segments: list[Segment], from_seconds: float, max_bytes: int
) -> None:
    wanted = [segment for segment in segments if segment.end > from_seconds or segment.start >= from_seconds]
    read: list[Segment] = []
    following: float | None = from_seconds
    pages = 0
    while following is not None:
        page = find_page(segments, TranscriptQuery(following), max_bytes)
        read += page.segments
        following = page.next_from_seconds
        pages += 1

    assert {id(segment) for segment in read} == {id(segment) for segment in wanted}
    assert pages <= len(wanted) + 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TranscriptQuery(), [0, 10, 20, 30]),
        (TranscriptQuery(10), [10, 20, 30]),
        (TranscriptQuery(15), [10, 20, 30]),
        (TranscriptQuery(0, 20), [0, 10]),
        (TranscriptQuery(12, 13), [10]),
        (TranscriptQuery(40), []),
        (TranscriptQuery(find="BUDGET"), [10, 30]),
        (TranscriptQuery(20, find="budget"), [30]),
        (TranscriptQuery(find="the  new\nbudget"), [0, 10]),
        (TranscriptQuery(find="wholly absent"), []),
        (TranscriptQuery(find="  "), [0, 10, 20, 30]),
    ],
)
def test_a_query_finds_by_time_and_by_words_even_where_they_go_on_in_the_next_segment(
    query: TranscriptQuery, expected: list[float]
) -> None:
    segments = talk("We agree on the new", "budget of May.", "Now lunch.", "The Budget again, the budget!")

    assert starts(segments, query) == expected


def test_a_page_is_as_long_as_its_bytes_allow_and_counts_what_is_found() -> None:
    segments = talk("one", "two", "three")
    room = len(f"{line_of(segments[0])}\n{line_of(segments[1])}\n")

    page = find_page(segments, TranscriptQuery(), room)

    assert page.text == "[0:00:00] one\n[0:00:10] two"
    assert (page.found_count, page.next_from_seconds) == (3, 20.0)
    assert len(find_page(segments, TranscriptQuery(), room - 1).segments) == 1


def test_a_time_is_written_as_on_a_clock() -> None:
    assert line_of(Segment(0, 3_723.9, 3_725, " a\n b ")) == "[1:02:03] a b"


@pytest.mark.promise("mcp:long-recordings")
@pytest.mark.parametrize("timestamps", ["none", "segment", "word"])
def test_an_answer_holds_whole_segments_as_many_as_fit_and_where_to_go_on(timestamps: str) -> None:
    words = (Word(" red", 0.0, 0.5), Word(" circle", 0.5, 1.0))
    segments = tuple(replace(segment, words=words) for segment in talk(*["a red circle"] * 500))
    transcript = TranscriptionResult("".join(segment.text for segment in segments).strip(), "en", 5_000.0, segments)

    part = inline_part(transcript, timestamps, RESERVED_ANSWER_BYTES + 2_000)
    whole = inline_part(transcript, timestamps, 200_000)

    assert 0 < part.segment_count < 500
    assert part.next_from_seconds == part.segment_count * 10
    assert part.text == " ".join(["a red circle"] * part.segment_count)
    assert (whole.text, whole.segment_count, whole.next_from_seconds) == (transcript.text, 500, None)


def test_segments_have_times_only_where_they_are_asked_for() -> None:
    segment = Segment(0, 1.004, 2.006, " hi ", words=(Word(" hi", 1.004, 2.006),))

    assert segment_results([segment], "none") is None
    assert [found.model_dump(exclude_none=True) for found in segment_results([segment], "segment") or []] == [
        {"start": 1.0, "end": 2.01, "text": "hi"}
    ]
    assert [found.words for found in segment_results([segment], "word") or []] == [[(1.0, 2.01, "hi")]]


def test_a_transcript_is_read_back_from_its_json_and_a_part_has_the_times_of_the_whole() -> None:
    heard = TranscriptionResult("hi", "en", 1.0, (Segment(0, 0.0, 1.0, "hi", words=(Word("hi", 0.1, 0.9),)),))

    assert parse_json(render(heard, "json")) == heard
    (segment,) = shifted(heard, 3_600.0).segments
    assert (segment.start, segment.end, segment.words) == (3_600.0, 3_601.0, (Word("hi", 3_600.1, 3_600.9),))
    assert shifted(heard, 0.0) is heard
