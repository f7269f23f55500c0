"""How the answer to one chat is constrained, and by which marks it is read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from model_runtime.catalog.tool_formats import JsonCall, ToolFormat
from model_runtime.engines.chat.answer_format import NO_MARKS, AnswerFormat
from model_runtime.engines.chat.answer_splitter import AnswerState
from model_runtime.engines.chat.grammar import GrammarCompiler, GrammarMask
from model_runtime.engines.chat.json_closing import JsonCloser
from model_runtime.engines.chat.shortest_json import shortest_bytes
from model_runtime.engines.chat.tool_grammar import LarkLiterals, parameters_schema, tool_grammar
from model_runtime.requests import Chat

STRICT_WARNING = (
    "strict has no effect: this model's calls are kept to their schema only where tool_choice requires a call."
)

CALL_BYTES = 40
"""About what a call takes around its arguments."""


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """The grammar of an answer, if any, the marks that count in it, where it begins, and what it must tell."""

    answer_format: AnswerFormat
    grammar_mask: GrammarMask | None = None
    state: AnswerState = "start"
    warnings: tuple[str, ...] = ()


FREE_TEXT = AnswerPlan(NO_MARKS)


def with_usable_tools(chat: Chat, answer_format: AnswerFormat) -> Chat:
    """Return the chat without tools if none of them may be called, or the model knows no tools."""
    is_usable = answer_format.tools is not None and chat.tool_choice != "none" and not chat.is_raw
    return chat if is_usable or not chat.tools else replace(chat, tools=())


def plan_answer(
    chat: Chat, prompt: Sequence[int], answer_format: AnswerFormat, tokenizer: Tokenizer, compiler: GrammarCompiler
) -> AnswerPlan:
    """Return the plan of a chat whose tools are usable, with its prompt as token ids.

    A grammar from the first token on leaves no room for thinking, even where the template has opened it.

    Raises:
        InvalidInput: a schema of the chat or of a tool cannot be enforced.
    """
    if chat.is_raw:
        return FREE_TEXT
    if chat.tools and answer_format.tools:
        grammar = tool_grammar(chat, answer_format.tools, LarkLiterals.from_tokenizer(tokenizer))
        mask = compiler.compile_tool_calls(grammar, _json_closer(chat, answer_format.tools)) if grammar else None
    elif chat.json_schema:
        return AnswerPlan(NO_MARKS, compiler.compile(chat.json_schema, chat.max_tokens))
    else:
        grammar, mask = "", None
    is_constrained = bool(chat.json_schema) or chat.tool_choice == "required"
    opens_reasoning = not (mask and is_constrained) and answer_format.opens_reasoning(tokenizer, prompt)
    is_strict = not grammar and any(tool.is_strict for tool in chat.tools)
    return AnswerPlan(
        answer_format, mask, "reasoning" if opens_reasoning else "start", (STRICT_WARNING,) if is_strict else ()
    )


def _json_closer(chat: Chat, tool_format: ToolFormat) -> JsonCloser | None:
    """Return what ends the calls of a chat in time; None if there is free text as well, or a call is no JSON."""
    if not isinstance(tool_format.forced, JsonCall) or not (chat.json_schema or chat.tool_choice == "required"):
        return None
    schemas = [*map(parameters_schema, chat.tools), json.loads(chat.json_schema or "{}")]
    return JsonCloser(chat.max_tokens, CALL_BYTES + max(map(shortest_bytes, schemas)))
