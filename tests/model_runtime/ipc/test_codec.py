"""Every message between the daemon and a worker is decoded as it was encoded."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime import errors
from model_runtime.errors import InvalidInput, JobFailed, ModelTooLarge, QueueFull, SensesError
from model_runtime.events import AudioChunk, ChatResult, EngineEvent, Preview, Result, TextDelta
from model_runtime.ipc.codec import MESSAGE_CLASSES, CodecError, decode, encode
from model_runtime.ipc.framing import FrameReader, pack
from model_runtime.ipc.messages import (
    Cancel,
    Heartbeat,
    Load,
    LoadError,
    Ready,
    RequestOutcome,
    RequestOutput,
    RunRequest,
)
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.types import Audio, ImageData, MediaFile
from model_runtime.requests import Chat, Message, Request, Transcribe

finite = st.floats(allow_nan=False)
st.register_type_strategy(float, finite)
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
st.register_type_strategy(bytes, st.binary(max_size=50))
st.register_type_strategy(LoadSpec, st.builds(LoadSpec, folders=st.dictionaries(st.sampled_from("ab"), st.text("/x"))))


def across(value: object) -> Any:
    """Return the value after a way through real frames."""
    reader = FrameReader()
    sent = b"".join(pack(*encode(value)))
    reader.buffer()[: len(sent)] = sent
    ((header, body),) = reader.received(len(sent))
    return decode(header, body)


def any_of(union: UnionType) -> st.SearchStrategy[Any]:
    return st.one_of([st.from_type(kind) for kind in get_args(union)])


@given(st.builds(RunRequest, request_id=st.integers(0, 2**40), request=any_of(Request)))
def test_every_request_reaches_the_worker_unchanged(run: RunRequest) -> None:
    assert across(run) == run


@given(st.builds(RequestOutput, request_id=st.integers(0, 2**40), event=any_of(EngineEvent)))
def test_every_event_reaches_the_daemon_unchanged(event: RequestOutput) -> None:
    assert across(event) == event


@given(st.builds(RequestOutcome, request_id=st.integers(0, 2**40), outcome=any_of(Result)))
def test_every_result_reaches_the_daemon_unchanged(outcome: RequestOutcome) -> None:
    assert across(outcome) == outcome


@given(st.from_type(LoadSpec), st.from_type(LoadedModel), st.from_type(Heartbeat))
def test_loads_and_heartbeats_cross_unchanged(spec: LoadSpec, loaded: LoadedModel, heartbeat: Heartbeat) -> None:
    assert across(Load(spec)) == Load(spec)
    assert across(Ready(loaded)) == Ready(loaded)
    assert across(heartbeat) == heartbeat


def test_what_a_message_leaves_at_its_default_is_not_sent() -> None:
    header, _ = encode(RequestOutput(1, TextDelta("x")))
    answered, _ = encode(RequestOutcome(1, ChatResult("", "stop", 0, 0)))

    assert header == {"$type": "RequestOutput", "request_id": 1, "event": {"$type": "TextDelta", "text": "x"}}
    assert answered["outcome"].keys() == {"$type", "text", "finish_reason", "prompt_tokens", "completion_tokens"}


def test_images_and_audio_travel_outside_of_the_header() -> None:
    rgb, pcm = bytes(12), bytes(8)
    request = Chat("m", (Message("user", ("look", ImageData(2, 2, rgb), "and", ImageData(1, 4, rgb))),))

    header, blobs = encode(RunRequest(1, request))

    assert [id(blob) for blob in blobs] == [id(rgb), id(rgb)]
    assert not _holds_bytes(header)
    assert encode(RequestOutput(1, AudioChunk(pcm, 24_000)))[1] == [pcm]
    assert encode(RequestOutput(1, Preview(ImageData(2, 2, rgb), 1, 4)))[1] == [rgb]


def test_bytes_in_a_file_are_not_sent_but_read_at_the_other_end(tmp_path: Path) -> None:
    path = tmp_path / "decoded"
    path.write_bytes(bytes(range(200)))
    request = RunRequest(1, Transcribe("m", Audio(16_000, MediaFile(str(path), 200))))

    assert encode(request)[1] == []
    assert bytes(across(request).request.audio.pcm) == bytes(range(200))


def _holds_bytes(plain: object) -> bool:
    if isinstance(plain, Mapping):
        return any(map(_holds_bytes, plain.values()))
    return any(map(_holds_bytes, plain)) if isinstance(plain, list) else isinstance(plain, bytes)


def test_an_error_crosses_with_its_class_code_message_parameter_and_retry() -> None:
    full = across(RequestOutcome(1, QueueFull("32 requests are waiting.", 7.0))).outcome
    invalid = across(
        RequestOutcome(1, InvalidInput("too many steps", param="steps", code="steps_out_of_range"))
    ).outcome
    large = across(LoadError(ModelTooLarge("vlm-best", 6, 4), permanent=True)).error

    assert (type(full), full.code, full.message, full.retry_after_seconds) == (
        QueueFull,
        "queue_full",
        "32 requests are waiting.",
        7.0,
    )
    assert (type(invalid), invalid.code, invalid.param) == (InvalidInput, "steps_out_of_range", "steps")
    assert (type(large), large.needed_bytes, large.budget_bytes) == (ModelTooLarge, 6, 4)


def test_an_error_class_only_the_worker_knows_arrives_as_the_nearest_known_one() -> None:
    class ContextTooLong(InvalidInput):
        """An engine's own error."""

        code = "context_length_exceeded"

    error = across(RequestOutcome(1, ContextTooLong("9000 tokens do not fit into 8192.", param="messages"))).outcome

    assert type(error) is InvalidInput
    assert (error.code, error.param) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize(
    "kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SensesError)]
)
def test_every_error_class_can_be_rebuilt_from_its_message(kind: type[SensesError]) -> None:
    error = kind.__new__(kind, "what happened")

    rebuilt = across(RequestOutcome(1, error)).outcome

    assert (type(rebuilt), rebuilt.message, rebuilt.code) == (kind, "what happened", kind.code)


UNKNOWN: Any = object()


@pytest.mark.parametrize(
    "value", [Cancel(UNKNOWN), RequestOutput(1, TextDelta(UNKNOWN)), Load(LoadSpec("m", "e", {"$type": ""})), "x"]
)
def test_a_value_of_an_unknown_class_cannot_be_encoded(value: object) -> None:
    with pytest.raises(CodecError, match="cannot"):
        encode(value)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"$type": "Nonsense"}, b""),
        ({"$type": "Heartbeat"}, b""),
        ({"$type": "Cancel", "request_id": 1, "more": 2}, b""),
        ({"$type": "AudioChunk", "pcm": {"$bytes": 4}, "sample_rate": 1}, b"123"),
        ({"$type": "AudioChunk", "pcm": {"$bytes": -1}, "sample_rate": 1}, b"123"),
        ({"$type": "AudioChunk", "pcm": {"$bytes": "3"}, "sample_rate": 1}, b"123"),
        ({"$type": "Cancel", "request_id": 1}, b"left over"),
        ({"$type": "RequestOutcome", "request_id": 1, "outcome": {"$error": 3}}, b""),
        (
            {"$type": "RequestOutcome", "request_id": 1, "outcome": {"$error": ["Busy"], "message": "m", "facts": 1}},
            b"",
        ),
    ],
)
def test_a_malformed_message_is_noticed(header: dict[str, object], body: bytes) -> None:
    with pytest.raises(CodecError):
        decode(header, memoryview(body))


def test_every_message_class_has_one_name() -> None:
    assert {"Chat", "ImageData", "Audio", "Segment", "Word", "GeneratedImage", "LoadSpec", "Heartbeat"} <= set(
        MESSAGE_CLASSES
    )
    assert across(RequestOutcome(1, JobFailed("x"))).request_id == 1
    assert Audio(16_000, bytes(32_000)).duration_seconds == 1.0
