"""What marks the parts of an answer: what a model thinks, its calls of tools, and its text.

Sources: `_infer_thinking` and `_infer_structural_markers` of mlx_lm/tokenizer_utils.py, and the chat templates of
Mistral's Magistral and OpenAI's gpt-oss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from model_runtime.catalog.chat_template import ChatTemplate
from model_runtime.catalog.tool_formats import ToolFormat, find_tool_format
from model_runtime.engines.chat.answer_splitter import AnswerState, Mark

PROMPT_TAIL_TOKENS = 16
"""Tokens at the end of a prompt in which a template opens the thinking."""


@dataclass(frozen=True, slots=True)
class ReasoningMarks:
    """What is before and after the thinking. A model has these marks if `token` is in its vocabulary or template."""

    token: str
    start: str
    end: str
    is_anywhere: bool = False
    """Whether it also counts within a text. A tag that people write about counts only where an answer begins."""


REASONING_MARKS = (
    ReasoningMarks("<think>", "<think>", "</think>"),
    ReasoningMarks("<longcat_think>", "<longcat_think>", "</longcat_think>"),
    ReasoningMarks("<|think:start|>", "<|think:start|>", "<|think:end|>"),
    ReasoningMarks("<mm:think>", "<mm:think>", "</mm:think>"),
    ReasoningMarks("[THINK]", "[THINK]", "[/THINK]"),
    ReasoningMarks("<|channel>", "<|channel>thought", "<channel|>", is_anywhere=True),
    ReasoningMarks("<|open|>", "<|open|>think<|sep|>", "<|close|>think<|sep|>", is_anywhere=True),
    ReasoningMarks("<|channel|>", "<|channel|>analysis<|message|>", "<|end|>", is_anywhere=True),
)
TEXT_MARKS: Mapping[str, tuple[str, ...]] = {
    "<|open|>": ("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
    "<|channel|>": (
        "<|start|>assistant",
        "<|channel|>final<|message|>",
        "<|channel|>commentary<|message|>",
        "<|end|>",
    ),
}
"""Marks around the text of an answer, which are no part of it, by the token that tells the family."""


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The marks of one model. `visible_tokens` are the control tokens that occur in marks, by id."""

    reasoning: tuple[ReasoningMarks, ...] = ()
    text_marks: tuple[str, ...] = ()
    tools: ToolFormat | None = None
    visible_tokens: Mapping[int, str] = field(default_factory=dict)

    def marks(self, *, with_tools: bool) -> Mapping[AnswerState, tuple[Mark, ...]]:
        """Return the marks that count in each state of an answer."""
        tools = self.tools if with_tools else None
        anywhere = [Mark(text, "text") for text in self.text_marks]
        anywhere += [Mark(marks.start, "reasoning") for marks in self.reasoning if marks.is_anywhere]
        anywhere += [Mark(start, "call") for start in (tools.starts if tools else ())]
        at_start = [Mark(marks.start, "reasoning") for marks in self.reasoning if not marks.is_anywhere]
        at_start += [Mark(start, "call") for start in (tools.starts_answer_only if tools else ())]
        return {
            "start": (*anywhere, *at_start),
            "text": tuple(anywhere),
            "reasoning": tuple(Mark(marks.end, "start") for marks in self.reasoning),
            "call": (Mark(tools.end, "text"),) if tools and tools.end else (),
        }

    def opens_reasoning(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> bool:
        """Return whether a prompt ends with the start of the thinking: the template has written it for the model."""
        if not self.reasoning:
            return False
        tail = tokenizer.decode(list(prompt[-PROMPT_TAIL_TOKENS:]), skip_special_tokens=False).rstrip()
        return any(tail.endswith(marks.start) for marks in self.reasoning)


NO_MARKS = AnswerFormat()


def find_answer_format(tokenizer: Tokenizer, template: ChatTemplate) -> AnswerFormat:
    """Return the marks of the model with this tokenizer and chat template."""
    vocabulary, tools = tokenizer.get_vocab(), find_tool_format(template)
    reasoning = tuple(marks for marks in REASONING_MARKS if marks.token in vocabulary or marks.token in template.source)
    text_marks = [mark for token, marks in TEXT_MARKS.items() if token in vocabulary for mark in marks]
    written = "\n".join([*_texts_of(reasoning), *text_marks, *_texts_of_tools(tools)])
    visible = {
        token_id: token.content
        for token_id, token in tokenizer.get_added_tokens_decoder().items()
        if token.special and token.content in written
    }
    return AnswerFormat(reasoning, tuple(text_marks), tools, visible)


def _texts_of(reasoning: Sequence[ReasoningMarks]) -> Iterator[str]:
    for marks in reasoning:
        yield from (marks.start, marks.end)


def _texts_of_tools(tools: ToolFormat | None) -> Iterator[str]:
    """Yield all texts that calls are made of."""
    if tools is None:
        return
    yield from (*tools.starts, *tools.starts_answer_only, tools.end)
    if tools.forced is not None:
        yield from tools.forced.texts
