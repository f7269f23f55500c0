"""What a token costs where a grammar chooses among the words: JSON of a schema, and a call of a tool, over free text."""

import time
from typing import Any

import httpx2

from benchmarks.instance import Instance, running_instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import CHAT_PATH
from tests.checkpoints import tool_templates

MODEL = "wide"
WORDS = 49_152
"""The vocabulary of SmolLM2: a mask has an entry for each word."""
TOKENS = 128
ROUNDS = 5
TARGET = 1.1
TIMEOUT_SECONDS = 600
DIGITS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 500, "maxItems": 500}
SCHEMA = {
    "type": "object",
    "properties": {"digits": DIGITS},
    "required": ["digits"],
    "additionalProperties": False,
}
QUESTION = {"role": "user", "content": "Write many digits."}
TOOLS = [{"type": "function", "function": {"name": "write", "parameters": SCHEMA}}]
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "JSON of a schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "digits", "schema": SCHEMA}}},
        {},
    ),
    "a call of a tool": ({"tools": TOOLS, "tool_choice": "required"}, {"tools": TOOLS}),
}
"""Fields of an answer in a form, and of one that is free."""


def measure(context: BenchmarkContext) -> list[Row]:
    """Ask for both in turn, so that both meet the same disturbances, after one of each that prepares the grammar."""
    folder = tool_templates.build_wide(context.folder / MODEL, words=WORDS)
    with running_instance(f'[models.{MODEL}]\npath = "{folder}"\n') as instance:
        return [_compare(context, instance, form) for form in FORMS]


def _compare(context: BenchmarkContext, instance: Instance, form: str) -> Row:
    bound, free = FORMS[form]
    _seconds_per_token(instance, bound), _seconds_per_token(instance, free)
    pairs = [
        (_seconds_per_token(instance, bound), _seconds_per_token(instance, free)) for _ in range(context.rounds(ROUNDS))
    ]
    with_form, without = (median([pair[side] for pair in pairs]) * 1000 for side in (0, 1))
    how = (
        f"{with_form:.1f} ms a token over {without:.1f} ms of free text; up to {TOKENS} tokens at temperature 1, "
        f"Llama with {WORDS} words, median of {len(pairs)} in turn"
    )
    return Row(f"a token of {form} over one of free text", with_form / without, "×", TARGET, how)


def _seconds_per_token(instance: Instance, fields: dict[str, Any]) -> float:
    """The seconds of one whole answer, over its tokens."""
    body = {"model": MODEL, "messages": [QUESTION], "max_tokens": TOKENS, "temperature": 1, "seed": 7, **fields}
    started = time.perf_counter()
    answer = httpx2.post(instance.url + CHAT_PATH, json=body, timeout=TIMEOUT_SECONDS)
    seconds = time.perf_counter() - started
    return seconds / int(answer.raise_for_status().json()["usage"]["completion_tokens"])
