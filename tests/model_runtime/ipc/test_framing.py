"""Frames arrive whole however the bytes are split; bytes that are not a frame are noticed."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.ipc.framing import (
    BODY_LIMIT_BYTES,
    BUFFER_BYTES,
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
