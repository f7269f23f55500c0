import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types import CallToolResult, ImageContent, TextContent

from mcp_server.calls.results import (
    MAX_RESULT_BYTES,
    MAX_TEXT_TOKENS,
    DescribeResult,
    GenerateResult,
    MakePreview,
    ResultLink,
    SavedImage,
    SegmentResult,
    TranscribeResult,
    build_result,
    estimate_tokens,
)

LINKS = st.lists(
    st.builds(
        ResultLink, st.text(max_size=200), st.text(max_size=80), st.sampled_from(["image/png"]), st.integers(0, 10**9)
    ),
    max_size=4,
)
SEGMENTS = st.lists(
    st.builds(
        SegmentResult,
        start=st.floats(0, 1e5),
        end=st.floats(0, 1e5),
        text=st.text(max_size=100),
        words=st.none() | st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.text(max_size=9)), max_size=9),
    ),
    max_size=5,
)
TEXT = st.text('가나다 abc\n"\\😀', max_size=30)
RESULTS = st.one_of(
    st.builds(DescribeResult, text=TEXT, warnings=st.lists(TEXT, max_size=12)),
    st.builds(TranscribeResult, text=TEXT, segments=SEGMENTS, path=st.text(max_size=200)),
    st.builds(GenerateResult, prompt=TEXT),
)


def grown(
    result: DescribeResult | TranscribeResult | GenerateResult, times: int
) -> DescribeResult | TranscribeResult | GenerateResult:
    if isinstance(result, GenerateResult):
        return result.model_copy(update={"prompt": (result.prompt or "") * times})
    text = {"text": (result.text or "") * times}
    if isinstance(result, TranscribeResult):
        return result.model_copy(update=text | {"segments": (result.segments or []) * (times // 50)})
    return result.model_copy(update=text | {"warnings": [warning * times for warning in result.warnings]})


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + width.to_bytes(4) + height.to_bytes(4)


def shrink_to(size_bytes: int, width: int = 512, height: int = 512) -> MakePreview:
    return lambda png, side, limit: (b"\xff" * size_bytes, width, height)


def texts(result: CallToolResult) -> Iterable[str]:
    return (block.text for block in result.content if isinstance(block, TextContent))


@pytest.mark.promise("mcp:result-budget")
@given(RESULTS, st.integers(0, 4_000), LINKS, st.integers(0, 4), st.integers(0, 3_000_000), st.booleans())
@settings(max_examples=50)
def test_no_result_is_larger_than_every_client_takes(
    result: DescribeResult | TranscribeResult | GenerateResult,
    times: int,
    links: list[ResultLink],
    pictures: int,
    preview_bytes: int,
    full: bool,
) -> None:
    result = grown(result, times)
    pngs = [png_header(1024, 1024)] * pictures

    built = build_result(result, links=links, pngs=pngs, make_preview=shrink_to(preview_bytes), full=full)

    assert len(built.model_dump_json(by_alias=True, exclude_none=True).encode()) <= MAX_RESULT_BYTES
    (text,) = texts(built)
    assert estimate_tokens(text) <= MAX_TEXT_TOKENS
    assert json.loads(text) == built.structured_content
    type(result).model_validate(built.structured_content)


def test_a_short_result_is_left_as_it_is() -> None:
    built = build_result(DescribeResult(text="a cat", model="vlm-fast", warnings=["w"]))

    assert built.structured_content == {
        "status": "done",
        "model": "vlm-fast",
        "starter": False,
        "warnings": ["w"],
        "text": "a cat",
        "truncated": False,
    }


def test_a_long_transcript_keeps_its_head_and_its_path() -> None:
    built = build_result(TranscribeResult(text="word " * 100_000, path="/out/talk.txt"))

    assert built.structured_content is not None
    assert built.structured_content["truncated"] is True
    assert built.structured_content["text"].startswith("word word")
    assert built.structured_content["path"] == "/out/talk.txt"


def test_word_times_go_before_segments_and_segments_before_text() -> None:
    words = [(0.0, 0.5, "word")] * 40
    segments = [SegmentResult(start=0, end=1, text="some words", words=words)] * 200

    built = build_result(TranscribeResult(text="some words", segments=segments))

    assert built.structured_content is not None
    assert len(built.structured_content["segments"]) == 200
    assert "words" not in built.structured_content["segments"][0]
    assert built.structured_content["text"] == "some words"


def test_previews_that_cannot_fit_are_left_out_and_full_size_says_so() -> None:
    png = png_header(1024, 1024)

    built = build_result(GenerateResult(), pngs=[png], make_preview=shrink_to(900_000), full=True)

    assert not any(isinstance(block, ImageContent) for block in built.content)
    assert built.structured_content is not None
    assert built.structured_content["preview_downscaled"] is True


def test_a_picture_in_full_size_is_not_called_downscaled() -> None:
    png = png_header(512, 512)

    built = build_result(GenerateResult(), pngs=[png], make_preview=shrink_to(9_000), full=True)

    assert any(isinstance(block, ImageContent) for block in built.content)
    assert built.structured_content is not None
    assert built.structured_content["preview_downscaled"] is False


def test_media_are_never_text() -> None:
    picture = SavedImage(width=1, height=1, path="/a.png", uri="senses://images/1", seed=1, size_bytes=3)

    built = build_result(GenerateResult(images=[picture]), pngs=[png_header(1, 1)], make_preview=shrink_to(3000, 1, 1))

    assert "/////" not in "".join(texts(built))
