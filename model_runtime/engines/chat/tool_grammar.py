"""Grammars that keep an answer to calls of tools, in llguidance's form of Lark.

Format: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from model_runtime.catalog.foreign_files import object_at, string_at, strings_at
from model_runtime.catalog.tool_formats import JsonCall, TaggedCall, ToolFormat
from model_runtime.engines.chat.grammar import JSON_FORMAT
from model_runtime.errors import InvalidInput
from model_runtime.requests import Chat, Tool

MAX_CALLS = 16
"""Calls of one answer that must call: a small model would go on until its tokens run out."""
NESTED_TYPES = {"object", "array"}
ANYTHING = "TEXT: /(.|\\n)*/"


@dataclass(frozen=True, slots=True)
class LarkLiterals:
    """Writes texts for one tokenizer, whose control tokens stand in a grammar as ids."""

    ids: Mapping[str, int]

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "LarkLiterals":
        """Return those of a tokenizer."""
        added = tokenizer.get_added_tokens_decoder().items()
        return cls({token.content: token_id for token_id, token in added if token.special})

    def write(self, text: str) -> str:
        """Return a text as a sequence of strings and tokens; "" for no text."""
        return " ".join(self._pieces(text))

    def has_token(self, text: str) -> bool:
        """Return whether a text has a control token."""
        return any(token in text for token in self.ids)

    def _pieces(self, text: str) -> Iterator[str]:
        tokens = "|".join(map(re.escape, sorted(filter(None, self.ids), key=len, reverse=True)))
        for piece in re.split(f"({tokens})", text) if tokens else [text]:
            if piece in self.ids:
                yield f"<[{self.ids[piece]}]>"
            elif piece:
                yield json.dumps(piece, ensure_ascii=False)


def tool_grammar(chat: Chat, tool_format: ToolFormat, literals: LarkLiterals) -> str:
    """Return the grammar of the answer to a chat with tools; "" if it is free.

    A call that is required is written from the first token on. Beside a JSON schema the answer is a call or JSON. If a
    tool is strict, text is free and calls are not.

    Raises:
        InvalidInput: the family's format cannot express an argument of a tool.
    """
    if tool_format.forced is None:
        return ""
    tools = [tool for tool in chat.tools if chat.forced_tool in ("", tool.name)]
    rules = CallRules(tool_format.forced, literals)
    bodies = [rules.add(index, tool) for index, tool in enumerate(tools)]
    start = _start_rules(chat, tool_format, literals)
    return "\n".join(["%llguidance {}", *start, f"body: {' | '.join(bodies)}", *rules.lines]) if start else ""


def _start_rules(chat: Chat, tool_format: ToolFormat, literals: LarkLiterals) -> list[str]:
    """Return the rules above `body`, which is what is between the marks of a call; none if the answer is free."""
    mark = "" if tool_format.is_start_content else literals.write(tool_format.starts[0])
    end = literals.write(tool_format.end)
    call = f"call: {mark} body {end}"
    is_single = chat.forced_tool or not chat.parallel_tool_calls or not tool_format.has_several_calls
    calls = "call" if is_single else f"call ({literals.write(tool_format.between)} call){{0,{MAX_CALLS - 1}}}"
    if chat.tool_choice == "required":
        return [f"start: {calls}", call]
    if chat.json_schema:
        return [f"start: {calls} | answer", call, f"answer: {json_rule(json.loads(chat.json_schema))}"]
    if not is_strict(chat, tool_format):
        return []
    several = "?" if is_single else "*"
    has_token = literals.has_token(tool_format.starts[0])
    opened = f"opened: TEXT {mark}" if has_token else f"opened[lazy]: TEXT {mark}"
    return [f"start: (opened body {end}){several} rest", "rest: TEXT", opened, ANYTHING]


def is_strict(chat: Chat, tool_format: ToolFormat) -> bool:
    """Return whether calls that the model may make can be kept to their schemas, and a tool asks for it."""
    can_be_kept = tool_format.forced is not None and not tool_format.is_start_content and tool_format.has_several_calls
    return can_be_kept and any(tool.is_strict for tool in chat.tools)


def json_rule(schema: Mapping[str, Any]) -> str:
    """Return the rule of a JSON value of a schema."""
    return f"%json {json.dumps({'x-guidance': JSON_FORMAT, **(schema or {'type': 'object'})})}"


class CallRules:
    """Collects the rules of the calls of several tools in `lines`."""

    def __init__(self, form: JsonCall | TaggedCall, literals: LarkLiterals) -> None:
        self.lines: list[str] = []
        self._form = form
        self._literals = literals

    def add(self, index: int, tool: Tool) -> str:
        """Add the rules of a tool and return the name of the first.

        Raises:
            InvalidInput: the format cannot express one of its arguments.
        """
        rule, form = f"tool_{index}", self._form
        before = self._literals.write(form.before.replace("$name", tool.name))
        after = self._literals.write(form.after)
        schema = parameters_schema(tool)
        if isinstance(form, JsonCall):
            arguments = json_rule(schema)
        else:
            arguments = self._tagged_arguments(rule, form, tool, schema)
        self.lines.append(f"{rule}: {before} {arguments} {after}")
        return rule

    def _tagged_arguments(self, rule: str, form: TaggedCall, tool: Tool, schema: Mapping[str, Any]) -> str:
        """Add rules for arguments in the order of the schema, with separators between those that are given.

        `first_N` are those from the Nth on, none before them; `more_N` are the same after another one.
        """
        properties, required = object_at(schema, "properties"), strings_at(schema, "required")
        separator = self._literals.write(form.separator)
        for index, (key, value) in enumerate(properties.items()):
            argument, following = f"{rule}_arg_{index}", f"{rule}_more_{index + 1}"
            self._add_argument(argument, form, tool, key, _resolved(value, schema))
            skipped = "" if key in required else f" | {rule}_first_{index + 1}"
            self.lines.append(f"{rule}_first_{index}: {argument} {following}{skipped}")
            optional = f"{separator} {argument}" if key in required else f"({separator} {argument})?"
            self.lines.append(f"{rule}_more_{index}: {optional} {following}")
        count = len(properties)
        self.lines += [f'{rule}_first_{count}: ""', f'{rule}_more_{count}: ""']
        return f"{rule}_first_0"

    def _add_argument(self, rule: str, form: TaggedCall, tool: Tool, key: str, schema: Mapping[str, Any]) -> None:
        _require_expressible(form, tool, key, schema)
        start, end = self._literals.write(form.key.replace("$key", key)), self._literals.write(form.value_end)
        if form.has_json_texts or not _is_text(schema):
            self.lines.append(f"{rule}: {start} {json_rule(schema)} {end}")
            return
        quote = self._literals.write(form.quote)
        choices = _text_choices(schema)
        if choices or form.quote or self._literals.has_token(form.value_end) or not form.value_end:
            text = f"({' | '.join(map(self._literals.write, choices))})" if choices else f"/{form.text}/"
            self.lines.append(f"{rule}: {start} {quote} {text} {quote} {end}")
            return
        self.lines += [f"{rule}: {start} {rule}_text", f"{rule}_text[suffix={end}]: /{form.text}/"]


def parameters_schema(tool: Tool) -> dict[str, Any]:
    """Return the schema of the arguments: an object, without members that it does not name unless it says so."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, **json.loads(tool.parameters)}
    is_closed = "properties" in schema and not {"$ref", "anyOf", "oneOf", "allOf"} & set(schema)
    return {"additionalProperties": False, **schema} if is_closed else schema


def _resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an argument, which may refer to definitions of the whole one."""
    if not isinstance(schema, dict):
        return {}
    definitions = {name: root[name] for name in ("$defs", "definitions") if name in root}
    reference = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", str(schema.get("$ref", "")))
    target = object_at(object_at(root, reference[1]), reference[2]) if reference else {}
    return {**definitions, **(target or schema)}


def _is_text(schema: Mapping[str, Any]) -> bool:
    """Return whether a value may be a text. Without a type it may be anything, and is written as text."""
    if "type" not in schema:
        return all(isinstance(choice, str) for choice in _choices(schema))
    return "string" in (string_at(schema, "type"), *strings_at(schema, "type"))


def _text_choices(schema: Mapping[str, Any]) -> list[str]:
    return [choice for choice in _choices(schema) if isinstance(choice, str)]


def _choices(schema: Mapping[str, Any]) -> Sequence[Any]:
    choices = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return choices if isinstance(choices, list) else []


def _require_expressible(form: TaggedCall, tool: Tool, key: str, schema: Mapping[str, Any]) -> None:
    has_nested = bool(NESTED_TYPES & {string_at(schema, "type"), *strings_at(schema, "type")})
    is_name = key.isidentifier() or bool(form.value_end)
    if is_name and (form.has_nested_values or not has_nested):
        return
    raise InvalidInput(
        f"A call of {tool.name} cannot be enforced: this model's format has no place for the argument {key[:40]!r}. "
        'Leave tool_choice at "auto", make the argument a text or number with a plain name, or choose another model.',
        param="tools",
    )
