"""Bodies of any shape are accepted, or refused with a sentence."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput
from openai_compat.api.bodies import validate_fields
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.api.schemas import ChatBody, ImagesBody, SpeechBody, TranscriptionBody, WireModel

KINDS: list[type[WireModel]] = [ChatBody, ImagesBody, ResponsesBody, SpeechBody, TranscriptionBody]
SMALL: dict[type[WireModel], dict[str, Any]] = {
    ChatBody: {"messages": [{"role": "user", "content": "hi"}]},
    ImagesBody: {"prompt": "hi"},
    ResponsesBody: {"input": "hi"},
    SpeechBody: {"input": "hi"},
    TranscriptionBody: {},
}
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**500), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
ODD_FIELDS = st.sampled_from(
    [
        "modalities",
        "tool_choice",
        "function_call",
        "logprobs",
        "response_format",
        "stream_options",
        "text",
        "conversation",
    ]
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "pirate"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES}, optional={"content": VALUES}), min_size=1)


@given(st.data())
def test_a_field_of_any_shape_is_taken_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    field = data.draw(st.one_of(st.sampled_from(sorted(kind.model_fields)), ODD_FIELDS))
    body = SMALL[kind] | {field: data.draw(VALUES)}

    try:
        validate_fields(body, kind)
    except InvalidInput as error:
        message = error.message
    else:
        return

    assert message.endswith(".")
    assert len(message) < 500


@given(MESSAGES)
def test_messages_of_any_shape_are_taken_or_refused(messages: list[object]) -> None:
    for field, kind in (("messages", ChatBody), ("input", ResponsesBody)):
        with suppress(InvalidInput):
            validate_fields({field: messages}, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_null_means_the_default_and_unknown_fields_mean_nothing(kind: type[WireModel]) -> None:
    nulls = dict.fromkeys(kind.model_fields, None) | {"user": "me", "store": True, "unknown": {"deep": [1]}}

    assert validate_fields(nulls | SMALL[kind], kind) == validate_fields(SMALL[kind], kind)
