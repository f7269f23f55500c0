"""Calls of every family are read from an answer, however it is cut into pieces; what is no call stays text."""

import importlib.util
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.tokenizer_utils import _infer_tool_parser
from tokenizers import Tokenizer

from model_runtime.catalog.chat_template import ChatTemplate
from model_runtime.catalog.tool_formats import TOOL_FORMATS, find_tool_format
from model_runtime.engines.chat.answer import Answer
from model_runtime.engines.chat.answer_format import AnswerFormat, ReasoningMarks
from model_runtime.engines.chat.answer_plan import AnswerPlan
from model_runtime.events import EngineEvent, ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from model_runtime.requests import Chat, Message
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.chat.tool_families import (
    ARGUMENTS,
    CLOCK,
    EXAMPLES,
    OTHER_EXAMPLES,
    TEMPLATE_FRAGMENTS,
    WEATHER,
    format_of,
)

pytestmark = pytest.mark.engines

CHAT = Chat("a-model", (Message("user", ("Which weather has Paris?",)),), tools=(WEATHER, CLOCK))


def written(answer: Answer, pieces: Iterable[str], *, is_cut_off: bool = False) -> list[EngineEvent]:
    """Let a model write these pieces and end its answer."""
    events = [event for piece in pieces for event in answer.push(piece)]
    return events + answer.finish(is_cut_off=is_cut_off)


def answer_of(family: str, chat: Chat = CHAT) -> Answer:
    """Return an empty answer of a model of the family."""
    return Answer(chat, AnswerPlan(AnswerFormat(tools=format_of(family))))


def text_of(events: Iterable[EngineEvent]) -> str:
    """Return all text that was shown."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: Iterable[EngineEvent]) -> list[tuple[str, object]]:
    """Return name and arguments of the calls that were told, after checking that id and name come first."""
    calls: dict[int, list[ToolCallDelta]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            calls.setdefault(event.index, []).append(event)
    assert list(calls) == [*range(len(calls))]
    for first, *rest in calls.values():
        assert (bool(first.id), bool(first.name), first.arguments) == (True, True, "")
        assert not any(delta.id or delta.name for delta in rest)
    return [(first.name, json.loads("".join(delta.arguments for delta in rest))) for first, *rest in calls.values()]


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize(("family", "text"), [*EXAMPLES.items(), *OTHER_EXAMPLES])
def test_a_call_of_every_family_is_read_and_none_of_its_text_is_shown(family: str, text: str) -> None:
    answer = answer_of(family)

    events = written(answer, text)

    assert calls_of(events) == [("weather", ARGUMENTS)]
    assert text_of(events) == ""
    assert [(call.name, json.loads(call.arguments)) for call in answer.tool_calls] == [("weather", ARGUMENTS)]


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize("family", EXAMPLES)
@given(cuts=st.lists(st.integers(0, 250), max_size=6))
def test_pieces_of_any_length_say_the_same(family: str, cuts: list[int]) -> None:
    before = "" if family == "llama" else "One moment.\n"
    text = before + EXAMPLES[family]
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})

    events = written(answer_of(family), [text[start:end] for start, end in pairwise(places)])

    assert calls_of(events) == [("weather", ARGUMENTS)]
    assert text_of(events) == before.strip()


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize("family", [name for name in EXAMPLES if format_of(name).end])
def test_several_calls_of_one_answer_are_told_one_by_one(family: str) -> None:
    tool_format = format_of(family)

    events = written(answer_of(family), [EXAMPLES[family], tool_format.between, EXAMPLES[family], "\n"])

    assert calls_of(events) == [("weather", ARGUMENTS)] * 2
    assert text_of(events) == ""
    ids = [event.id for event in events if isinstance(event, ToolCallDelta) and event.id]
    assert len(set(ids)) == 2


def test_calls_without_a_mark_between_them_are_read_at_the_end() -> None:
    several = {
        "mistral": f"{EXAMPLES['mistral']}{EXAMPLES['mistral']}",
        "mistral_v3": EXAMPLES["mistral_v3"].replace("}]", "}, " + EXAMPLES["mistral_v3"][13:]),
        "llama": f"{EXAMPLES['llama']}; {EXAMPLES['llama']}",
    }

    for family, text in several.items():
        assert calls_of(written(answer_of(family), text)) == [("weather", ARGUMENTS)] * 2, family


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("json_tools", "<tool_call>\n{'name': oops}\n</tool_call>"),
        ("json_tools", '<tool_call>\n{"name": "moon", "arguments": {}}\n</tool_call>'),
        ("json_tools", '<tool_call>\n{"name": "weather", "arguments": [1]}\n</tool_call>and more'),
        ("json_tools", "<tool_call>7</tool_call>"),
        ("json_tools", '<tool_call>{"name": "weather", "arguments": {"days": NaN}}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "weather", "arguments": {"city": "\\ud83d"}}</tool_call>'),
        ("mistral_v3", '[TOOL_CALLS][{"name": "weather", "arguments": {}, "id": "\\ud83d"}]'),
        ("qwen3_coder", "<tool_call>nothing</tool_call>"),
        ("longcat", "<longcat_tool_call></longcat_tool_call>"),
        ("llama", '{"name": "a person", "age": 7}'),
        ("llama", '{"name": "weather", "parameters": {}} is how I would ask.'),
        ("mistral", "[TOOL_CALLS]I will look."),
        ("pythonic", "<|tool_call_start|>weather<|tool_call_end|>"),
        ("minimax_m3", "]<]minimax[>[<tool_call>?]<]minimax[>[</tool_call>"),
    ],
)
def test_what_is_no_call_of_an_offered_tool_is_text(family: str, text: str) -> None:
    answer = answer_of(family)

    events = written(answer, text)

    assert text_of(events) == text
    assert answer.tool_calls == ()


def test_without_tools_a_call_is_text() -> None:
    answer = Answer(Chat("a-model", CHAT.messages), AnswerPlan(AnswerFormat(tools=format_of("json_tools"))))

    assert text_of(written(answer, [EXAMPLES["json_tools"]])) == EXAMPLES["json_tools"]


def test_json_within_a_text_is_no_call_of_llamas() -> None:
    text = 'For example {"name": "weather", "parameters": {}}'

    assert text_of(written(answer_of("llama"), text)) == text


def test_text_goes_on_after_a_call() -> None:
    events = written(answer_of("json_tools"), [f"First.\n{EXAMPLES['json_tools']}\n\nThen."])

    assert [type(event) for event in events] == [TextDelta, ToolCallDelta, ToolCallDelta, TextDelta]
    assert text_of(events) == "First.Then."


def test_ids_of_the_models_own_are_kept_unless_another_call_has_them() -> None:
    one = EXAMPLES["kimi_k2"].removeprefix("<|tool_calls_section_begin|>").removesuffix("<|tool_calls_section_end|>")
    answer = answer_of("kimi_k2")

    written(answer, ["<|tool_calls_section_begin|>", one, one, "<|tool_calls_section_end|>"])

    first, second = (call.id for call in answer.tool_calls)
    assert first == "functions.weather:0"
    assert second.startswith("call_")


def test_only_one_call_counts_where_several_are_not_wanted() -> None:
    one = Chat("a-model", CHAT.messages, tools=CHAT.tools, parallel_tool_calls=False)
    answer = answer_of("json_tools", one)

    events = written(answer, [EXAMPLES["json_tools"] + EXAMPLES["json_tools"]])

    assert answer.is_complete
    assert len(calls_of(events)) == 1


@pytest.mark.parametrize("family", ["json_tools", "qwen3_coder", "mistral"])
def test_a_call_that_the_limit_cuts_off_is_left_out_and_said(family: str) -> None:
    answer = answer_of(family)

    events = written(answer, ["Wait. ", EXAMPLES[family][:40]], is_cut_off=True)

    assert (text_of(events), calls_of(events), answer.tool_calls) == ("Wait.", [], ())
    assert "within a tool call" in answer.warnings[0]


def test_a_stop_sequence_within_a_call_does_not_end_the_answer() -> None:
    stopping = Chat("a-model", CHAT.messages, tools=CHAT.tools, stop=("Paris", "."))
    answer = answer_of("json_tools", stopping)

    events = written(answer, [EXAMPLES["json_tools"], "It rains. Or not."])

    assert calls_of(events) == [("weather", ARGUMENTS)]
    assert text_of(events) == "It rains"


def test_log_probabilities_are_those_of_the_text() -> None:
    answer = answer_of("json_tools")
    pieces = ["Wait.", *EXAMPLES["json_tools"], "<tool_call>", "no", "</tool_call>", "End."]

    for piece in pieces:
        answer.push(piece, TokenLogprob(piece, -1.0))
    answer.finish(is_cut_off=False)

    assert [told.token for told in answer.logprobs] == ["Wait.", "<tool_call>", "no", "</tool_call>", "End."]


@pytest.mark.parametrize("family", TEMPLATE_FRAGMENTS)
def test_the_family_is_the_one_that_the_library_finds(family: str) -> None:
    template = TEMPLATE_FRAGMENTS[family]

    found = find_tool_format(ChatTemplate(template))

    assert found is not None
    assert found.name == family
    theirs = _infer_tool_parser(_TokenizerOf(template))
    assert found.parser in (f"mlx_lm.tool_parsers.{theirs}", f"mlx_vlm.tools.parsers.{family}", _OWN_PARSER)


def test_every_parser_of_the_libraries_has_a_family() -> None:
    known = {tool_format.parser for tool_format in TOOL_FORMATS}
    same = {"mlx_lm.tool_parsers.laguna": "mlx_lm.tool_parsers.glm47"}

    theirs = {f"mlx_lm.tool_parsers.{name}" for name in modules_in("mlx_lm", "tool_parsers")}
    only_vlm = modules_in("mlx_vlm", "tools/parsers") - modules_in("mlx_lm", "tool_parsers")

    assert {same.get(name, name) for name in theirs} <= known
    assert only_vlm == {"atem", "cohere2_moe", "harmony", "minimax_m3"}, "atem is muse_spark of mlx-lm"
    assert {f"mlx_vlm.tools.parsers.{name}" for name in only_vlm - {"atem"}} <= known


def modules_in(package: str, folder: str) -> set[str]:
    """Return the modules in a folder of a package."""
    (root,) = importlib.util.find_spec(package).submodule_search_locations  # type: ignore[union-attr,misc]
    return {file.stem for file in Path(root, folder).glob("*.py")} - {"__init__"}


_OWN_PARSER = "model_runtime.engines.chat.llama_tool_calls"


class _TokenizerOf:
    """What mlx-lm looks at."""

    def __init__(self, template: str) -> None:
        self.chat_template = template
        self._words = train_tokenizer(300, ())

    def get_vocab(self) -> dict[str, int]:
        """Return words that tell nothing."""
        return dict(Tokenizer.get_vocab(self._words))


def test_reasoning_before_a_call_is_told_apart() -> None:
    think = ReasoningMarks("<think>", "<think>", "</think>")
    thinking = AnswerFormat(reasoning=(think,), tools=format_of("json_tools"))
    answer = Answer(CHAT, AnswerPlan(thinking))

    events = written(answer, ["<think>\nParis", "?\n</think>", "\n\n", EXAMPLES["json_tools"]])

    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "Paris?"
    assert calls_of(events) == [("weather", ARGUMENTS)]
    assert text_of(events) == ""
