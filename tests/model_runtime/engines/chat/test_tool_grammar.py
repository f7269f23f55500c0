"""Grammars of calls: a model of random logits makes a valid call of every family, and its published form is allowed."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.catalog.chat_template import ChatTemplate
from model_runtime.catalog.tool_formats import ToolFormat
from model_runtime.engines.chat.answer import Answer
from model_runtime.engines.chat.answer_format import find_answer_format
from model_runtime.engines.chat.answer_plan import AnswerPlan
from model_runtime.engines.chat.grammar import GrammarCompiler, GrammarMask
from model_runtime.engines.chat.tool_grammar import LarkLiterals, tool_grammar
from model_runtime.errors import InvalidInput
from model_runtime.requests import Chat, Message, Tool
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.chat.tool_families import ARGUMENTS, CLOCK, EXAMPLES, WEATHER, format_of

pytestmark = pytest.mark.engines

END = 0
CONTROL = sorted({mark for text in EXAMPLES.values() for mark in re.findall(r"<\|[^<>]*>|<[\w:]*>|\[[A-Z_]+\]", text)})
TOKENIZERS = {"text": train_tokenizer(600, ("<end>",)), "control tokens": train_tokenizer(700, ("<end>", *CONTROL))}
COMPILERS = {kind: GrammarCompiler(tokenizer, [END]) for kind, tokenizer in TOKENIZERS.items()}
TRIP = Tool(
    "trip",
    parameters=json.dumps(
        {
            "type": "object",
            "properties": {
                "loud": {"type": "boolean"},
                "city": {"$ref": "#/$defs/City"},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
                "rooms": {"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0}, "maxItems": 2},
            },
            "required": ["city", "days"],
            "$defs": {"City": {"type": "string", "enum": ["Paris", "Rome"]}},
        }
    ),
)
FLAT_TRIP = replace(
    TRIP,
    parameters=json.dumps(
        {
            **json.loads(TRIP.parameters),
            "properties": {
                key: value for key, value in json.loads(TRIP.parameters)["properties"].items() if key != "rooms"
            },
        }
    ),
)
CHAT = Chat("a-model", (Message("user", ("Hi.",)),), tools=(WEATHER, CLOCK), tool_choice="required")


def mask_of(kind: str, chat: Chat, tool_format: ToolFormat) -> GrammarMask:
    """Return the mask of an answer."""
    return COMPILERS[kind].compile_tool_calls(
        tool_grammar(chat, tool_format, LarkLiterals.from_tokenizer(TOKENIZERS[kind]))
    )


def allowed(mask: GrammarMask, last: int) -> Sequence[int]:
    """Return the tokens that may follow."""
    logits = np.array(mask.apply(last, mx.zeros((1, 720))))[0]
    return [int(token) for token in np.flatnonzero(np.isfinite(logits))]


def read(
    kind: str, chat: Chat, tool_format: ToolFormat, tokens: Sequence[int], mask: GrammarMask | None = None
) -> Answer:
    """Return the answer that is read of these tokens; with the mask they are known to be guided."""
    tokenizer = TOKENIZERS[kind]
    marks = find_answer_format(tokenizer, ChatTemplate("x", tool_format.name))
    answer = Answer(chat, AnswerPlan(marks, mask))
    for token in tokens:
        answer.push(marks.visible_tokens.get(token) or tokenizer.decode([token]))
    answer.finish(is_cut_off=False)
    return answer


def random_walk(mask: GrammarMask, first: Sequence[int] = (), seed: int = 0, limit: int = 3000) -> list[int]:
    """Return tokens that a model of random logits writes under the mask, after the `first` ones."""
    rng, last = np.random.default_rng(seed), END
    said: list[int] = []
    while len(said) < limit:
        choices = allowed(mask, last)
        if len(said) < len(first):
            assert first[len(said)] in choices
            last = first[len(said)]
        else:
            last = END if END in choices else int(rng.choice(choices))
        if last == END:
            return said
        said.append(last)
    raise AssertionError("no end")


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("family", EXAMPLES)
def test_the_published_form_of_a_call_is_allowed(family: str, kind: str) -> None:
    tokens = TOKENIZERS[kind].encode(EXAMPLES[family]).ids
    mask = mask_of(kind, CHAT, format_of(family))

    said = random_walk(mask, tokens)

    assert said == tokens
    (call,) = read(kind, CHAT, format_of(family), said).tool_calls
    assert (call.name, json.loads(call.arguments)) == ("weather", ARGUMENTS)


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("family", EXAMPLES)
def test_random_logits_make_a_valid_call(family: str, kind: str) -> None:
    tool_format = format_of(family)
    trip = FLAT_TRIP if "gemma" in family else TRIP
    chat = replace(CHAT, tools=(CLOCK, trip), forced_tool="trip")

    for seed in range(2):
        mask = mask_of(kind, chat, tool_format)
        said = random_walk(mask, seed=seed)

        (call,) = read(kind, chat, tool_format, said, mask).tool_calls
        (unguided,) = read(kind, chat, tool_format, said).tool_calls
        arguments = json.loads(call.arguments)
        assert arguments == json.loads(unguided.arguments)
        assert call.name == "trip"
        assert {"city", "days"} <= set(arguments) <= {"city", "days", "loud", "rooms"}
        assert arguments["city"] in ("Paris", "Rome")
        assert arguments["days"] in range(1, 10)
        assert isinstance(arguments.get("loud", True), bool)
        assert all(room in range(10) for room in arguments.get("rooms", []))


@pytest.mark.parametrize("family", EXAMPLES)
def test_a_tool_without_arguments_is_called_with_none(family: str) -> None:
    chat = replace(CHAT, forced_tool="clock")

    said = random_walk(mask_of("text", chat, format_of(family)))

    assert [(call.name, call.arguments) for call in read("text", chat, format_of(family), said).tool_calls] == [
        ("clock", "{}")
    ]


@pytest.mark.parametrize("family", ["json_tools", "qwen3_coder", "kimi_k2"])
def test_several_calls_may_be_required_and_end(family: str) -> None:
    tool_format = format_of(family)
    one = EXAMPLES[family]
    several = TOKENIZERS["text"].encode(tool_format.between.join([one] * 16)).ids
    mask = mask_of("text", CHAT, tool_format)

    said = random_walk(mask, several)

    assert len(read("text", CHAT, tool_format, said).tool_calls) == 16


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("family", [name for name in EXAMPLES if format_of(name).end])
def test_a_strict_tool_leaves_text_free_and_calls_not(family: str, kind: str) -> None:
    tool_format = format_of(family)
    strict = replace(FLAT_TRIP, is_strict=True)
    chat = replace(CHAT, tools=(strict,), tool_choice="auto")
    first = TOKENIZERS[kind].encode(f"A fox.\n{tool_format.starts[0]}").ids
    mask = mask_of(kind, chat, tool_format)

    said = random_walk(mask, first)

    answer = read(kind, chat, tool_format, said, mask)
    assert "".join(answer.texts) == "A fox."
    assert json.loads(answer.tool_calls[0].arguments)["city"] in ("Paris", "Rome")


def test_without_strict_tools_an_answer_is_free() -> None:
    chat = replace(CHAT, tool_choice="auto")

    assert tool_grammar(chat, format_of("json_tools"), LarkLiterals({})) == ""


@pytest.mark.parametrize("family", ["gemma4", "function_gemma"])
def test_arguments_that_a_format_has_no_place_for_are_refused(family: str) -> None:
    with pytest.raises(InvalidInput, match="no place for the argument 'rooms'") as refused:
        mask_of("text", replace(CHAT, tools=(TRIP,)), format_of(family))

    assert refused.value.param == "tools"


def test_an_argument_of_an_odd_name_is_refused_where_it_would_be_a_python_name() -> None:
    odd = Tool("odd", parameters='{"properties": {"max-results": {"type": "integer"}}}')

    with pytest.raises(InvalidInput, match="'max-results'"):
        mask_of("text", replace(CHAT, tools=(odd,)), format_of("pythonic"))
    mask_of("text", replace(CHAT, tools=(odd,)), format_of("qwen3_coder"))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"type": "object"},
        {"properties": {"a": {}, "b": True, "c": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {
            "properties": {
                "a": {"enum": [1, "x"]},
                "b": {"const": 'a "quoted" \\ text'},
                "c": {"type": ["string", "null"]},
            }
        },
        {"properties": {'a"b': {"type": "number"}, "ü": {"type": "null"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "object"}}},
    ],
)
@pytest.mark.parametrize("family", ["json_tools", "qwen3_coder", "glm47"])
def test_schemas_of_every_form_compile(family: str, parameters: dict[str, object]) -> None:
    chat = replace(CHAT, tools=(Tool("odd", parameters=json.dumps(parameters)),))

    assert allowed(mask_of("text", chat, format_of(family)), END)
