"""Read calls of tools out of an answer, by the parser of the model's family."""

import importlib.util
import json
import re
import runpy
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from model_runtime.catalog.tool_formats import JsonCall, ToolFormat
from model_runtime.engines.chat.stop_sequences import partial_match_length
from model_runtime.engines.chat.template_messages import template_tools
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.events import ToolCallDelta
from model_runtime.requests import Tool, ToolCall

ToolParser = Callable[[str, list[dict[str, Any]]], Any]
"""parse(text, tools) → a call, or a list of calls, each with its name and arguments."""
ID_BYTES = 12
END_OF_ANSWER = "\0"
"""Stands for the end of the last call where a family has no mark for it; no text of a call has it."""


class MalformedToolCallError(Exception):
    """What a model wrote is no call of a tool that it was offered; `text` is what it wrote."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ToolCallReader:
    """Reads one call after the other, and keeps all of them in `calls`.

    A guided call, which a grammar keeps to its format, is passed on while it is written. Any other may turn out to be
    malformed, so it is passed on at its end. A family whose arguments are not JSON has all its calls read at their end.
    """

    def __init__(self, tool_format: ToolFormat, tools: Sequence[Tool], *, is_guided: bool) -> None:
        self.calls: list[ToolCall] = []
        self.is_open = False
        self._format = tool_format
        self._names = {tool.name for tool in tools}
        self._template_tools = template_tools(tools)
        self._parse = load_parser(tool_format.parser)
        form = tool_format.forced
        self._stream = (
            _CallStream(form, tool_format.end, self._names) if is_guided and isinstance(form, JsonCall) else None
        )
        self._start = self._body = ""

    def open(self, mark: str) -> None:
        """Begin a call after this mark."""
        self.is_open, self._start, self._body = True, mark, ""
        if self._stream:
            self._stream.reset()

    def push(self, text: str) -> list[ToolCallDelta]:
        """Append to the open call and return what is certain of it."""
        self._body += text
        return self._stream.read(self._content, len(self.calls)) if self._stream else []

    def close(self, mark: str = "") -> list[ToolCallDelta]:
        """End the open call with its mark and return the rest of it.

        Raises:
            MalformedToolCallError: it is no call.
        """
        self.is_open = False
        if self._stream and self._stream.id:
            call, rest = self._stream.end(self._content, len(self.calls))
            self.calls.append(call)
            return rest
        try:
            calls = self._parsed_calls()
        except Exception as error:  # parsers fail in many ways at what a model writes
            if is_fatal(error):
                raise
            raise MalformedToolCallError(self._start + self._body + mark) from error
        deltas = [delta for index, call in enumerate(calls, len(self.calls)) for delta in _whole(index, call)]
        self.calls += calls
        return deltas

    def abandon(self) -> bool:
        """End the open call in the middle, and return whether a part of it has been passed on, which then is kept."""
        self.is_open = False
        if not (self._stream and self._stream.id):
            return False
        self.calls.append(self._stream.partial_call())
        return True

    @property
    def _content(self) -> str:
        """What the parser of the family expects."""
        return self._start + self._body if self._format.is_start_content else self._body

    def _parsed_calls(self) -> list[ToolCall]:
        parsed = self._parse(self._content, self._template_tools)
        calls: list[ToolCall] = []
        for one in parsed if isinstance(parsed, list) else [parsed]:
            calls.append(self._to_call(one, {call.id for call in (*self.calls, *calls)}))
        if not calls:
            raise ValueError("There is no call.")
        return calls

    def _to_call(self, parsed: dict[str, Any], taken_ids: set[str]) -> ToolCall:
        name, arguments = parsed["name"].strip(), parsed.get("arguments", {})
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        if name not in self._names or not isinstance(arguments, dict):
            raise ValueError(f"{name} is no tool, or its arguments are no object.")
        own_id = str(parsed.get("id") or "")
        call_id = own_id if own_id and own_id not in taken_ids else new_call_id()
        written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        f"{call_id}{written}".encode()  # half of a character cannot be sent on
        return ToolCall(call_id, name, written)


class _CallStream:
    """Passes on a guided call while it is written: its name, then its arguments, which are JSON."""

    def __init__(self, form: JsonCall, end: str, names: set[str]) -> None:
        alternatives = "|".join(map(re.escape, names))
        self._head = re.compile(re.escape(form.before).replace(re.escape("$name"), f"(?P<name>{alternatives})", 1))
        self._tail = form.after
        self._end = form.after + (end or END_OF_ANSWER)
        self.id = self._name = self._sent = ""

    def reset(self) -> None:
        """Begin another call."""
        self.id = self._name = self._sent = ""

    def read(self, text: str, index: int) -> list[ToolCallDelta]:
        """Return what is new and certain of the call that `text` is the beginning of."""
        match = self._head.match(text)
        if match is None:
            return []
        deltas = []
        if not self.id:
            self.id, self._name = new_call_id(), match["name"]
            deltas.append(ToolCallDelta(index, self.id, self._name))
        arguments = text[match.end() :]
        certain = arguments[: len(arguments) - partial_match_length(arguments, [self._end])]
        return deltas + self._send(certain, index)

    def end(self, text: str, index: int) -> tuple[ToolCall, list[ToolCallDelta]]:
        """Return the whole call and what is new of it."""
        match = self._head.match(text)
        arguments = text[match.end() :].removesuffix(self._tail) if match else self._sent
        deltas = self._send(arguments, index)
        return self.partial_call(), deltas

    def partial_call(self) -> ToolCall:
        """Return what has been passed on."""
        return ToolCall(self.id, self._name, self._sent)

    def _send(self, arguments: str, index: int) -> list[ToolCallDelta]:
        piece, self._sent = arguments[len(self._sent) :], arguments
        return [ToolCallDelta(index, arguments=piece)] if piece else []


def load_parser(module_name: str) -> ToolParser:
    """Return a parser of tool calls.

    Those of mlx-vlm are loaded from their files: their package imports its server, whose libraries are not installed.
    """
    package, *path = module_name.split(".")
    if package != "mlx_vlm":
        return importlib.import_module(module_name).parse_tool_call
    origin = getattr(importlib.util.find_spec(package), "origin", "")
    return runpy.run_path(str(Path(origin).parent.joinpath(*path).with_suffix(".py")))["parse_tool_call"]


def new_call_id() -> str:
    """Return an id that no other call has."""
    return f"call_{secrets.token_hex(ID_BYTES)}"


def _whole(index: int, call: ToolCall) -> list[ToolCallDelta]:
    return [ToolCallDelta(index, call.id, call.name), ToolCallDelta(index, arguments=call.arguments)]
