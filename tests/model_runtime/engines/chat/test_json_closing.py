"""JSON that ends in time, by any model."""

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat import json_position
from model_runtime.engines.chat.json_closing import JsonCloser, closing_ranks
from model_runtime.engines.chat.json_position import JsonPosition
from model_runtime.engines.chat.shortest_json import shortest_bytes
from tests.model_runtime.engines.chat.json_schemas import JSON_SCHEMAS, TREE, record

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
COMPLETE_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


@given(value=JSON_VALUES, is_ascii=st.booleans(), data=st.data())
def test_a_position_is_what_is_open_in_the_text_before_it(value: Any, *, is_ascii: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    prefix = text[: data.draw(st.integers(0, len(text)))]
    position = JsonPosition()

    position.advance(prefix)

    outside, quote, _ = COMPLETE_STRING.sub(b"", prefix).partition(b'"')
    opened = sum(map(outside.count, (b"[", b"{"))) - sum(map(outside.count, (b"]", b"}")))
    assert (position.in_string, len(position.commas)) == (bool(quote), opened)


@given(JSON_VALUES, st.data())
def test_a_text_in_pieces_leads_to_the_same_position(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value).encode()
    cut = data.draw(st.integers(0, len(text)))
    whole, parts = JsonPosition(), JsonPosition()

    whole.advance(text)
    parts.advance(text[:cut])
    parts.advance(text[cut:])

    assert parts == whole
    assert (whole.in_string, whole.commas) == (False, [])


@given(st.binary())
def test_text_that_is_no_json_leads_to_no_error(text: bytes) -> None:
    position = JsonPosition()

    position.advance(text)

    assert isinstance(position.is_overlong, bool)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (b'{"a": "' + b"x" * (json_position.MAX_STRING_BYTES - 1), b"x"),
        (b'{"' + b"k" * (json_position.MAX_STRING_BYTES - 1), b"k"),
        (b"[3." + b"3" * (json_position.MAX_NUMBER_BYTES - 3), b"3"),
        (b"[" + b"1," * (json_position.MAX_ITEMS - 2) + b"1", b","),
        (b"[" * (json_position.MAX_DEPTH - 1), b"["),
    ],
    ids=["string", "key", "number", "list", "depth"],
)
def test_what_the_schema_leaves_open_has_a_limit(text: bytes, more: bytes) -> None:
    position = JsonPosition()
    position.advance(text)
    before = position.is_overlong

    position.advance(more)

    assert (before, position.is_overlong) == (False, True)


def test_only_the_innermost_is_too_long() -> None:
    position = JsonPosition()

    position.advance(b"[" + b"1," * json_position.MAX_ITEMS + b'{"a": [2')

    assert not position.is_overlong


@pytest.mark.parametrize(
    ("text", "allowed", "kept"),
    [
        (b'{"a": "b', ['"', "x", '",', "\\"], ['"']),
        (b'{"a": "b', ['",', "x"], ['",']),
        (b'{"a": "b\\', ["n", "t"], ["n", "t"]),
        (b'{"a": 1', ["}", ",", "2", "."], ["}"]),
        (b'{"a": 1', [",", "2"], [","]),
        (b"[", ["]", '"', "[", "{"], ["]"]),
        (b'{"a": ', ['"', "[", "n", "null"], ["n"]),
        (b'{"a": ', ['"', "[", "{"], ['"']),
        (b"1", ["<end>", "2"], ["<end>"]),
        (b"{", ["x"], ["x"]),
        (b"{", [], []),
    ],
)
def test_of_the_allowed_tokens_those_that_end_the_text_soonest_stay(
    text: bytes, allowed: list[str], kept: list[str]
) -> None:
    vocabulary = ["<end>", '"', "x", '",', "\\", "n", "t", "null", "}", "]", ",", "1", "2", ".", "[", "{"]
    ranks = closing_ranks([b"", *(word.encode() for word in vocabulary[1:])], [0])
    closer = JsonCloser(max_tokens=1, shortest=0)
    closer.advance(text)
    left = closer.restrict(np.array([word in allowed for word in vocabulary]), ranks)

    assert [word for word, is_kept in zip(vocabulary, left, strict=True) if is_kept] == kept
    assert closer.has_closed == (kept != allowed)


@pytest.mark.parametrize(
    ("max_tokens", "written", "is_closing"),
    [
        (1000, 0, False),
        (1000, 960, False),
        (1000, 985, True),
        (8, 0, False),
        (8, 5, False),
        (8, 6, True),
        (1, 0, False),
    ],
)
def test_the_last_tokens_are_for_closing(max_tokens: int, written: int, *, is_closing: bool) -> None:
    closer = JsonCloser(max_tokens, shortest=20)

    for _ in range(written):
        closer.advance(b"")

    assert closer.is_closing == is_closing


@pytest.mark.parametrize(
    ("schema", "shortest"),
    [
        (record(a={"type": "integer"}), '{"a": 0}'),
        (record(color={"enum": ["red", "blue"]}, n={"type": "number"}), '{"color": "red", "n": 0}'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3}, '["", "", ""]'),
        ({"type": "string", "minLength": 40}, '"' + "x" * 40 + '"'),
        ({"anyOf": [{"type": "string", "minLength": 90}, {"type": "null"}]}, "null"),
        ({"$defs": {"tree": TREE}, "$ref": "#/$defs/tree"}, '{"name": "", "children": []}'),
        (
            record(a={"$ref": "#/properties/b"}, b=record(c={"const": "long text"})),
            '{"a": {"c": "long text"}, "b": {"c": "long text"}}',
        ),
    ],
)
def test_the_shortest_answer_is_about_as_long_as_it_is(schema: dict[str, Any], shortest: str) -> None:
    assert len(shortest) <= shortest_bytes(schema) <= 2 * len(shortest) + 8


@given(JSON_VALUES)
def test_a_schema_of_any_form_has_a_size(schema: Any) -> None:
    keywords = {"$ref": "#", "anyOf": schema, "enum": schema, "required": schema, "minItems": schema, "items": schema}

    assert shortest_bytes(schema) > 0
    assert shortest_bytes({"$defs": schema, **keywords}) > 0


def test_a_schema_of_references_to_all_others_is_measured_once() -> None:
    names = [f"n{index}" for index in range(60)]
    everything = record(**{name: {"$ref": f"#/$defs/{name}"} for name in names})

    assert shortest_bytes({"$defs": dict.fromkeys(names, everything), "$ref": "#/$defs/n0"}) > 0


def test_a_long_chain_of_references_has_a_size() -> None:
    definitions: dict[str, Any] = {f"n{index}": record(next={"$ref": f"#/$defs/n{index + 1}"}) for index in range(5000)}

    assert shortest_bytes({"$defs": definitions, "$ref": "#/$defs/n0"}) > 0


def test_there_are_schemas_of_twenty_kinds() -> None:
    assert len(JSON_SCHEMAS) >= 20
