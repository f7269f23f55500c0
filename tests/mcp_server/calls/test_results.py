import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types import AudioContent, CallToolResult, ImageContent, ResourceLink, TextContent

from mcp_server.calls import results
from mcp_server.calls.result_types import (
    DescribeResult,
    GenerateResult,
    SavedImage,
    SegmentResult,
    SpeakResult,
    TranscribeResult,
)
from mcp_server.calls.results import MAX_RESULT_BYTES, MAX_TEXT_TOKENS, MakePreview, build_result, estimate_tokens

LINKS = st.lists(
    st.builds(
        ResourceLink,
        uri=st.text(max_size=200),
        name=st.text(max_size=80),
        mime_type=st.sampled_from(["image/png"]),
        size=st.integers(0, 10**9),
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
    links: list[ResourceLink],
    pictures: int,
    preview_bytes: int,
    full: bool,
) -> None:
    result = grown(result, times)
    pngs = [png_header(1024, 1024)] * pictures
    full = full and isinstance(result, GenerateResult)  # no other result has pictures of full size

    built = build_result(result, links=links, pngs=pngs, make_preview=shrink_to(preview_bytes), full=full)

    assert len(built.model_dump_json(by_alias=True, exclude_none=True).encode()) <= MAX_RESULT_BYTES
    (text,) = texts(built)
    assert estimate_tokens(text) <= MAX_TEXT_TOKENS
    assert json.loads(text) == built.structured_content
    type(result).model_validate(built.structured_content)


def test_a_short_result_is_left_as_it_is() -> None:
    built = build_result(DescribeResult(text="a cat", model="vlm-fast", warnings=["w"]))

    assert built.structured_content is not None
    assert (
        built.structured_content.items()
        >= {
            "status": "done",
            "model": "vlm-fast",
            "starter": False,
            "text": "a cat",
            "truncated": False,
        }.items()
    )
    assert built.structured_content["warnings"] == ["w"]


def test_a_long_transcript_keeps_its_head_and_its_path() -> None:
    built = build_result(TranscribeResult(text="word " * 100_000, path="/out/talk.txt"))

    assert built.structured_content is not None
    assert built.structured_content["truncated"] is True
    assert built.structured_content["text"].startswith("word word")
    assert built.structured_content["path"] == "/out/talk.txt"


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


# -- limits and blocks ------------------------------------------------------------------------------------------------


class RecordingPreview:
    """Makes previews of one size, and keeps the limits that were asked for."""

    def __init__(self, width: int = 512, height: int = 512) -> None:
        self.size = (width, height)
        self.limits: list[tuple[int, int]] = []

    def __call__(self, png: bytes, side_px: int, max_bytes: int) -> tuple[bytes, int, int]:
        self.limits.append((side_px, max_bytes))
        return b"jpeg", *self.size


def test_the_limits_of_a_result_are_these() -> None:
    assert (MAX_RESULT_BYTES, MAX_TEXT_TOKENS, results.BYTES_PER_TOKEN) == (700_000, 16_000, 3)
    assert (results.MAX_WARNINGS, results.RESERVED_BYTES) == (8, 2_000)
    assert (results.MAX_NOTES, results.RESERVED_TEXT_BYTES) == (4, 3_000)


def test_a_result_takes_notes_about_its_arguments_within_its_budget() -> None:
    long = build_result(TranscribeResult(text="말" * 100_000, warnings=["w"]))

    noted = results.add_notes(long, ["먼" * 300] * 9)

    (text,) = texts(noted)
    assert estimate_tokens(text) <= MAX_TEXT_TOKENS
    assert noted.structured_content is not None
    assert noted.structured_content["warnings"] == [*["먼" * 200] * 4, "w"]
    assert noted.structured_content["text"].startswith("말")


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("가", 1), ("\ud800", 1)])
def test_a_token_is_estimated_to_have_three_bytes(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("count", "full", "side_px"), [(1, False, 768), (2, False, 512), (1, True, 4096), (2, True, 4096)]
)
def test_previews_are_smaller_where_there_are_more_and_share_the_bytes(count: int, full: bool, side_px: int) -> None:
    preview = RecordingPreview()

    build_result(GenerateResult(), pngs=[png_header(512, 512)] * count, make_preview=preview, full=full)

    assert [side for side, _ in preview.limits] == [side_px] * count
    assert [limit for _, limit in preview.limits] == [pytest.approx(697_600 * 3 / 4 / count - 300, abs=200)] * count


def test_a_preview_of_just_the_limit_is_shown_and_a_larger_one_is_not() -> None:
    preview = RecordingPreview()
    build_result(GenerateResult(), pngs=[png_header(512, 512)], make_preview=preview)
    (_, limit_bytes) = preview.limits[0]

    def shown(size_bytes: int) -> int:
        built = build_result(GenerateResult(), pngs=[png_header(512, 512)], make_preview=shrink_to(size_bytes))
        return len([block for block in built.content if isinstance(block, ImageContent)])

    assert (shown(limit_bytes), shown(limit_bytes + 1)) == (1, 0)


@pytest.mark.parametrize(("width", "height", "downscaled"), [(512, 512, False), (512, 500, True), (500, 512, True)])
def test_a_preview_with_another_width_or_height_is_downscaled(width: int, height: int, downscaled: bool) -> None:
    preview = RecordingPreview(width, height)

    built = build_result(GenerateResult(), pngs=[png_header(512, 512)], make_preview=preview, full=True)
    small = build_result(GenerateResult(), pngs=[png_header(512, 512)], make_preview=preview)

    assert built.structured_content is not None
    assert small.structured_content is not None
    assert built.structured_content["preview_downscaled"] is downscaled
    assert small.structured_content["preview_downscaled"] is False


def test_the_text_comes_first_then_previews_then_links_then_sound() -> None:
    built = build_result(
        GenerateResult(),
        links=[ResourceLink(uri="senses://images/1", name="a.png", mime_type="image/png", size=9)],
        pngs=[png_header(512, 512)],
        make_preview=RecordingPreview(),
        sound=b"RIFF",
    )

    _, image, link, sound = built.content
    assert isinstance(image, ImageContent)
    assert (image.data, image.mime_type) == ("anBlZw==", "image/jpeg")
    assert link == ResourceLink(uri="senses://images/1", name="a.png", mime_type="image/png", size=9)
    assert isinstance(sound, AudioContent)
    assert (sound.data, sound.mime_type) == ("UklGRg==", "audio/wav")


def test_pictures_without_a_preview_and_no_sound_add_no_block() -> None:
    built = build_result(GenerateResult(), pngs=[png_header(512, 512)])

    assert [type(block) for block in built.content] == [TextContent]


def test_a_sound_that_does_not_fit_is_left_out() -> None:
    assert len(build_result(DescribeResult(), sound=b"x" * 524_000).content) == 2
    assert len(build_result(DescribeResult(), sound=b"x" * 525_000).content) == 1


def test_at_most_eight_warnings_of_300_letters_are_kept() -> None:
    built = build_result(DescribeResult(warnings=["a" * 300, "b" * 301, *"cdefghij"]))

    assert built.structured_content is not None
    assert built.structured_content["warnings"] == ["a" * 300, "b" * 299 + "…", *"cdefgh"]


def test_a_result_without_warnings_has_no_list_of_them() -> None:
    built = build_result(DescribeResult())

    assert built.structured_content == {"status": "done", "starter": False, "truncated": False}


def test_a_transcript_without_word_times_loses_its_segments_before_its_text() -> None:
    segments = [SegmentResult(start=0, end=1, text="some words " * 20)] * 400

    built = build_result(TranscribeResult(text="some words", segments=segments))

    assert built.structured_content is not None
    assert "segments" not in built.structured_content
    assert (built.structured_content["text"], built.structured_content["truncated"]) == ("some words", True)


def test_a_text_is_cut_to_the_longest_that_fits_and_one_that_just_fits_is_whole() -> None:
    frame = len('{"status":"done","starter":false,"text":"","truncated":false}')
    whole = "a" * (MAX_TEXT_TOKENS * 3 - results.RESERVED_TEXT_BYTES - frame)

    kept = build_result(DescribeResult(text=whole)).structured_content
    cut = build_result(DescribeResult(text=whole + "aa")).structured_content

    assert kept is not None
    assert cut is not None
    assert (kept["text"], kept["truncated"]) == (whole, False)
    assert cut["text"].endswith("a…")
    assert len(whole) - 4 <= len(cut["text"]) <= len(whole)
    assert cut["truncated"] is True


def test_a_transcript_is_whole_and_speech_is_not_playing_unless_the_result_says_so() -> None:
    assert build_result(TranscribeResult()).structured_content == {
        "status": "done",
        "starter": False,
        "truncated": False,
    }
    assert build_result(SpeakResult()).structured_content == {"status": "done", "starter": False, "playing": False}
