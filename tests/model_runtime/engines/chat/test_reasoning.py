"""What a model thinks is told apart from what it says, by the marks of every family."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog.chat_template import ChatTemplate
from model_runtime.engines.chat.answer import Answer
from model_runtime.engines.chat.answer_format import AnswerFormat, find_answer_format
from model_runtime.engines.chat.answer_plan import AnswerPlan
from model_runtime.events import ReasoningDelta, TextDelta
from model_runtime.requests import Chat, Message
from tests.checkpoints.words import train_tokenizer

pytestmark = pytest.mark.engines

CHAT = Chat("a-model", (Message("user", ("Why?",)),))
HARMONY_TOKENS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>")
K3_TOKENS = ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")
FAMILIES: list[tuple[Sequence[str], str]] = [
    (("<think>", "</think>"), "<think>\nHm. So.\n</think>\n\nBecause."),
    (("<longcat_think>", "</longcat_think>"), "<longcat_think>Hm. So.</longcat_think>Because."),
    (("<|think:start|>", "<|think:end|>"), "<|think:start|>Hm. So.<|think:end|>Because."),
    (("[THINK]", "[/THINK]"), "[THINK]Hm. So.[/THINK]Because."),
    (("<|channel>", "<channel|>"), "<|channel>thought\nHm. So.\n<channel|>Because."),
    (
        HARMONY_TOKENS,
        "<|channel|>analysis<|message|>Hm. So.<|end|><|start|>assistant<|channel|>final<|message|>Because.",
    ),
    (
        K3_TOKENS,
        "<|open|>think<|sep|>Hm. So.<|close|>think<|sep|><|open|>response<|sep|>Because.<|close|>response<|sep|>",
    ),
]


def told(answer: Answer, pieces: Iterable[str]) -> tuple[str, str]:
    """Return the reasoning and the text that are told of these pieces."""
    events = [event for piece in pieces for event in answer.push(piece)] + answer.finish(is_cut_off=False)
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert reasoning == "".join(answer.reasoning)
    return reasoning, "".join(event.text for event in events if isinstance(event, TextDelta))


def format_with(tokens: Sequence[str], template: str = "") -> AnswerFormat:
    """Return the marks of a model with these control tokens."""
    return find_answer_format(train_tokenizer(300, tokens), ChatTemplate(template))


@pytest.mark.promise("chat:reasoning")
@pytest.mark.parametrize(("tokens", "text"), FAMILIES)
def test_thinking_and_answer_are_told_apart_however_they_arrive(tokens: Sequence[str], text: str) -> None:
    marks = format_with(tokens)

    for size in (1, 3, 7, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert told(Answer(CHAT, AnswerPlan(marks)), pieces) == ("Hm. So.", "Because.")


@pytest.mark.promise("chat:reasoning")
def test_control_tokens_that_are_marks_are_seen_and_others_are_not() -> None:
    marks = format_with(("<think>", "</think>", "<|other|>"))

    assert sorted(marks.visible_tokens.values()) == ["</think>", "<think>"]


def test_a_tag_that_people_write_about_is_text() -> None:
    answer = Answer(CHAT, AnswerPlan(format_with(("<think>", "</think>"))))

    assert told(answer, ["The tag ", "<think>", " opens it."]) == ("", "The tag <think> opens it.")


def test_a_model_without_such_marks_writes_them_as_text() -> None:
    answer = Answer(CHAT, AnswerPlan(format_with(())))

    assert told(answer, ["<think>", "a", "</think>"]) == ("", "<think>a</think>")


def test_marks_that_only_the_template_knows_count() -> None:
    answer = Answer(CHAT, AnswerPlan(format_with((), "{{ message.content.split('</think>')[-1] }} <think>")))

    assert told(answer, ["<think>", "a", "</think>", "b"]) == ("a", "b")


@pytest.mark.parametrize(("end", "opens"), [("<think>", True), ("<think>\n", True), ("<think>\n\n</think>\n\n", False)])
def test_a_template_may_open_the_thinking(end: str, opens: bool) -> None:
    tokenizer = train_tokenizer(300, ("<think>", "</think>"))
    marks = find_answer_format(tokenizer, ChatTemplate())

    assert marks.opens_reasoning(tokenizer, tokenizer.encode(f"user Hello? assistant {end}").ids) is opens


@pytest.mark.promise("chat:reasoning")
def test_thinking_that_was_opened_ends_with_its_mark() -> None:
    answer = Answer(CHAT, AnswerPlan(format_with(("<think>", "</think>")), state="reasoning"))

    assert told(answer, ["\nHm", ".\n", "</think>\n\n", "So."]) == ("Hm.", "So.")


@given(text=st.text(st.sampled_from("a <think/>\n"), max_size=30), size=st.integers(1, 8))
def test_no_character_is_lost_but_marks_and_the_space_beside_them(text: str, size: int) -> None:
    answer = Answer(CHAT, AnswerPlan(format_with(("<think>", "</think>"))))

    reasoning, shown = told(answer, [text[start : start + size] for start in range(0, len(text), size)])

    if "<think>" not in text:
        assert (reasoning, shown) == ("", text)
    else:
        assert set(reasoning + shown) <= set(text)
