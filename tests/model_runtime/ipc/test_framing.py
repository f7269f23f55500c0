"""Frames arrive whole however the bytes are split; bytes that are not a frame are noticed."""

from collections.abc import Sequence
from itertools import accumulate

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.ipc import framing
from model_runtime.ipc.framing import (
    BODY_LIMIT_BYTES,
    BUFFER_BYTES,
    HEADER_LIMIT_BYTES,
    LENGTH_PREFIX,
    FrameError,
    FrameReader,
    Header,
    pack,
)

headers = st.dictionaries(st.text(max_size=8), st.integers(-(2**63), 2**63 - 1) | st.text(max_size=40), max_size=4)
messages = st.lists(st.tuples(headers, st.lists(st.binary(max_size=200), max_size=3)), max_size=5)


def feed(reader: FrameReader, sent: bytes, cuts: Sequence[int] = ()) -> list[tuple[Header, bytes]]:
    """Pass the bytes to the reader in pieces that end at `cuts`; return the frames."""
    frames = []
    ends = iter([*sorted(cut for cut in cuts if cut < len(sent)), len(sent)])
    position = 0
    for end in ends:
        while position < end:
            room = reader.buffer()
            count = min(len(room), end - position)
            room[:count] = sent[position : position + count]
            position += count
            frames += [(header, bytes(body)) for header, body in reader.received(count)]
    return frames


@given(messages, st.lists(st.integers(0, 2000)))
def test_frames_arrive_whole_and_in_order_however_the_bytes_are_split(
    sent: list[tuple[Header, list[bytes]]], cuts: list[int]
) -> None:
    stream = b"".join(part for header, blobs in sent for part in pack(header, blobs))

    frames = feed(FrameReader(), stream, cuts)

    assert frames == [(header, b"".join(blobs)) for header, blobs in sent]


@given(messages, st.data())
def test_a_stream_that_ends_at_any_byte_gives_the_frames_before_its_end_and_no_part_of_another(
    sent: list[tuple[Header, list[bytes]]], data: st.DataObject
) -> None:
    frames = [b"".join(pack(header, blobs)) for header, blobs in sent]
    end = data.draw(st.integers(0, sum(map(len, frames))))
    whole = sum(total <= end for total in accumulate(map(len, frames)))

    received = feed(FrameReader(), b"".join(frames)[:end])

    assert received == [(header, b"".join(blobs)) for header, blobs in sent[:whole]]


@pytest.mark.parametrize("size", [BUFFER_BYTES - 20, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES])
def test_a_body_larger_than_the_buffer_arrives_between_small_frames(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    stream = b"".join([*pack({"n": 1}), *pack({"n": 2}, [body[:size]]), *pack({"n": 3}, [b"end"])])

    frames = feed(FrameReader(), stream)

    assert frames == [({"n": 1}, b""), ({"n": 2}, body[:size]), ({"n": 3}, b"end")]


def test_a_header_larger_than_the_buffer_arrives_too() -> None:
    """The transcript of a long recording is one header."""
    header = {"text": "word " * BUFFER_BYTES}

    assert feed(FrameReader(), b"".join(pack(header, [b"x"]))) == [(header, b"x")]


@pytest.mark.parametrize(
    "stream",
    [
        LENGTH_PREFIX.pack(0, 0),
        LENGTH_PREFIX.pack(2**32 - 1, 0),
        LENGTH_PREFIX.pack(1, BODY_LIMIT_BYTES + 1),
        LENGTH_PREFIX.pack(1, 0) + b"\xc1",
        LENGTH_PREFIX.pack(2, 0) + b"\x01\x01",
        LENGTH_PREFIX.pack(1, 0) + b"\x01",
    ],
)
def test_bytes_that_are_not_a_frame_are_refused_with_their_numbers(stream: bytes) -> None:
    with pytest.raises(FrameError, match="frame"):
        feed(FrameReader(), stream)


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_an_error_or_incomplete(stream: bytes) -> None:
    reader = FrameReader()
    try:
        feed(reader, stream)
    except FrameError:
        return
    assert len(reader.buffer()) > 0


def test_a_message_that_msgpack_cannot_write_is_refused() -> None:
    with pytest.raises(FrameError, match="msgpack"):
        pack({"seed": 2**70})


def test_a_header_may_have_64_mebibytes_and_a_body_1_gibibyte() -> None:
    assert (HEADER_LIMIT_BYTES, BODY_LIMIT_BYTES) == (64 * 2**20, 2**30)


def test_header_and_body_may_be_as_long_as_the_limits_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    header = {"text": "word"}
    monkeypatch.setattr(framing, "HEADER_LIMIT_BYTES", len(msgpack.packb(header)))
    monkeypatch.setattr(framing, "BODY_LIMIT_BYTES", 3)

    longest = b"".join(pack(header, [b"ab", b"c"]))

    assert feed(FrameReader(), longest) == [(header, b"abc")]
    with pytest.raises(FrameError, match="a body of 4"):
        pack(header, [b"ab", b"cd"])
    with pytest.raises(FrameError, match="a header of 12 bytes"):
        pack(header | {"text": "words"})


@pytest.mark.parametrize("size", range(BUFFER_BYTES - 24, BUFFER_BYTES + 2))
def test_a_frame_of_about_the_size_of_the_buffer_arrives_after_a_part_of_it(size: int) -> None:
    stream = b"".join([*pack({"n": 1}), *pack({"n": 2}, [b"x" * size]), *pack({"n": 3})])

    frames = feed(FrameReader(), stream, cuts=[20, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1])

    assert [(header, len(body)) for header, body in frames] == [({"n": 1}, 0), ({"n": 2}, size), ({"n": 3}, 0)]


def test_a_reader_never_offers_less_than_its_buffer_when_it_has_no_incomplete_frame() -> None:
    reader = FrameReader()

    feed(reader, b"".join(pack({"n": 1})))

    assert len(reader.buffer()) == BUFFER_BYTES == 256 * 2**10


def test_a_header_that_is_no_map_is_refused() -> None:
    with pytest.raises(FrameError, match="is a list, not a map"):
        feed(FrameReader(), LENGTH_PREFIX.pack(1, 0) + b"\x90")
