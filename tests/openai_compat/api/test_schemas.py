"""Bodies of any shape are accepted, or refused with a sentence."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput
from openai_compat.api import chat_body, schemas, tools_body
from openai_compat.api.anthropic.body import CountTokensBody, MessagesBody
from openai_compat.api.bodies import validate_fields
from openai_compat.api.chat_body import ChatBody
from openai_compat.api.completions import CompletionBody
from openai_compat.api.embeddings import EmbeddingsBody
from openai_compat.api.image_edits import ImageEditBody
from openai_compat.api.responses_body import ResponsesBody
from openai_compat.api.schemas import ImagesBody, SpeechBody, TranscriptionBody, WireModel
from openai_compat.api.voice_memo import VoiceMemoBody

KINDS: list[type[WireModel]] = [
    ChatBody,
    CompletionBody,
    CountTokensBody,
    ImagesBody,
    MessagesBody,
    EmbeddingsBody,
    ImageEditBody,
    ResponsesBody,
    SpeechBody,
    TranscriptionBody,
    VoiceMemoBody,
]
SMALL: dict[type[WireModel], dict[str, Any]] = {
    ChatBody: {"messages": [{"role": "user", "content": "hi"}]},
    CountTokensBody: {"messages": [{"role": "user", "content": "hi"}]},
    MessagesBody: {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    CompletionBody: {"prompt": "hi"},
    EmbeddingsBody: {"input": "hi"},
    ImageEditBody: {"prompt": "hi"},
    ImagesBody: {"prompt": "hi"},
    ResponsesBody: {"input": "hi"},
    SpeechBody: {"input": "hi"},
    TranscriptionBody: {},
    VoiceMemoBody: {},
}
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**500), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
ODD_FIELDS = st.sampled_from(
    [
        "modalities",
        "audio",
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
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": ROLES}, optional={"content": VALUES, "tool_calls": VALUES, "function_call": VALUES}),
    min_size=1,
)


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
    for field, kind in (("messages", ChatBody), ("messages", CountTokensBody), ("input", ResponsesBody)):
        with suppress(InvalidInput):
            validate_fields({field: messages}, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_null_means_the_default_and_unknown_fields_mean_nothing(kind: type[WireModel]) -> None:
    nulls = dict.fromkeys(kind.model_fields, None) | {"user": "me", "store": True, "unknown": {"deep": [1]}}

    assert validate_fields(nulls | SMALL[kind], kind) == validate_fields(SMALL[kind], kind)


@pytest.mark.parametrize(
    ("kind", "field", "taken", "refused"),
    [
        (ChatBody, "max_tokens", [1], [0]),
        (ChatBody, "max_completion_tokens", [1], [0]),
        (ChatBody, "temperature", [0, 2], [-0.1, 2.01]),
        (ChatBody, "top_p", [0.01, 1], [0, 1.01]),
        (ChatBody, "n", [1, 16], [0, 17]),
        (ChatBody, "top_k", [-1, 0, 40], [-2]),
        (ChatBody, "min_p", [0, 1], [-0.1, 1.1]),
        (ChatBody, "frequency_penalty", [-2, 2], [-2.1, 2.1]),
        (ChatBody, "presence_penalty", [-2, 2], [-2.1, 2.1]),
        (ChatBody, "repetition_penalty", [0.1, 10], [0, 10.1]),
        (ChatBody, "logit_bias", [{}, {"5": -100, "6": 100}], [{"5": 101}, {"-1": 1}, {"a": 1}, {"2147483648": 1}]),
        (ResponsesBody, "temperature", [0, 2], [-0.1, 2.01]),
        (ChatBody, "stop", ["a", ["a"] * 64], [["a"] * 65]),
        (ChatBody, "messages", [SMALL[ChatBody]["messages"]], [[]]),
        (CompletionBody, "prompt", ["a", ["a"] * 16], [[], ["a"] * 17]),
        (CompletionBody, "max_tokens", [1], [0]),
        (ImagesBody, "prompt", ["a", "a" * 32_000], ["", "a" * 32_001]),
        (ImagesBody, "n", [1, 10], [0, 11]),
        (ImagesBody, "output_compression", [0, 100], [-1, 101]),
        (ImagesBody, "partial_images", [0, 3], [-1, 4]),
        (ImagesBody, "seed", [0, 2**32 - 1], [-1, 2**32]),
        (ImagesBody, "steps", [0, 50], [-1, 51]),
        (TranscriptionBody, "temperature", [0, 1], [-0.1, 1.01]),
        (MessagesBody, "max_tokens", [1, 10**9], [0, None, 1.5]),
        (MessagesBody, "temperature", [0, 1], [-0.1, 1.01]),
        (MessagesBody, "top_p", [0.01, 1], [0, 1.01]),
        (MessagesBody, "top_k", [0, 40], [-1]),
        (MessagesBody, "stop_sequences", [[], ["a"] * 16], [["a"] * 17, "a"]),
        (MessagesBody, "system", ["a", [{"type": "text", "text": "a"}]], [[{"type": "image"}], 7]),
        (CountTokensBody, "tools", [[]], [[{"name": ""}], [{"name": "a" * 129}]]),
        (SpeechBody, "input", ["a"], [""]),
        (SpeechBody, "speed", [0.25, 4], [0.24, 4.01]),
        (SpeechBody, "instructions", ["", "a" * 4096], ["a" * 4097]),
        (VoiceMemoBody, "speed", [0.25, 4], [0.24, 4.01]),
        (VoiceMemoBody, "instructions", ["", "a" * 4096], ["a" * 4097]),
    ],
)
def test_a_value_is_taken_up_to_its_limit_and_refused_beyond(
    kind: type[WireModel], field: str, taken: list[Any], refused: list[Any]
) -> None:
    for value in taken:
        validate_fields(SMALL[kind] | {field: value}, kind)
    for value in refused:
        with pytest.raises(InvalidInput):
            validate_fields(SMALL[kind] | {field: value}, kind)


def test_whoever_leaves_a_field_out_gets_openais_default_or_ours() -> None:
    chat = validate_fields(SMALL[ChatBody], ChatBody)
    images = validate_fields(SMALL[ImagesBody], ImagesBody)
    speech = validate_fields(SMALL[SpeechBody], SpeechBody)
    transcription = validate_fields({}, TranscriptionBody)

    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.n, chat.stop, chat.stream) == (None, 1, 1, 1, [], False)
    assert (images.n, images.output_compression, images.partial_images, images.seed, images.steps) == (
        1,
        90,
        0,
        None,
        0,
    )
    assert (speech.speed, transcription.temperature) == (1, 0)


def test_the_limits_of_lists_are_these() -> None:
    assert (chat_body.MAX_MESSAGES, schemas.MAX_PARTS, tools_body.MAX_TOOLS) == (4096, 4096, 1024)
