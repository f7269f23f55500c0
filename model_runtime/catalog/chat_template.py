"""Find the template by which a checkpoint writes chats, as transformers does, without importing it.

Sources: `get_chat_template` of transformers/tokenization_utils_base.py and `from_pretrained` of
transformers/processing_utils.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from model_runtime.catalog.foreign_files import (
    InvalidCheckpoint,
    is_there,
    object_at,
    read_json_object,
    read_text,
    signature,
    string_at,
)

TOOL_TEMPLATE = "tool_use"
"""The name of the template for chats with tools, where a checkpoint has several."""
FILES = (
    f"additional_chat_templates/{TOOL_TEMPLATE}.jinja",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer_config.json",
)
"""The first of them that has a template counts. chat_template.json belongs to a processor: only a vision model reads it."""
PROCESSOR_FILE = "chat_template.json"
TOKENIZER_FILE = "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """The source of a template, and what tokenizer_config.json says beside it."""

    source: str = ""
    tool_parser: str = ""
    """The name of mlx-lm's parser of tool calls, if the file names one."""
    added_tokens: frozenset[str] = frozenset()


def read_chat_template(folder: Path, *, has_processor: bool) -> ChatTemplate:
    """Return the template for chats with tools; an empty one if there is none or it cannot be read."""
    files = [folder / name for name in FILES if has_processor or name != PROCESSOR_FILE]
    try:
        return _read(folder, has_processor, tuple(signature(file) for file in files))
    except InvalidCheckpoint:
        return ChatTemplate()


@lru_cache(maxsize=64)
def _read(folder: Path, has_processor: bool, _signatures: tuple[tuple[int, int, int], ...]) -> ChatTemplate:
    config = read_json_object(folder / TOKENIZER_FILE) if is_there(folder / TOKENIZER_FILE) else {}
    added = object_at(config, "added_tokens_decoder").values()
    return ChatTemplate(
        _read_source(folder, config, has_processor),
        string_at(config, "tool_parser_type"),
        frozenset(string_at(token, "content") for token in added if isinstance(token, dict)),
    )


def _read_source(folder: Path, config: Mapping[str, Any], has_processor: bool) -> str:
    for name in FILES:
        file = folder / name
        if not is_there(file) or (name == PROCESSOR_FILE and not has_processor):
            continue
        if name.endswith(".jinja"):
            return read_text(file)
        source = _preferred(config if name == TOKENIZER_FILE else read_json_object(file))
        if source:
            return source
    return ""


def _preferred(config: Mapping[str, Any]) -> str:
    """Return the template of a configuration; of several, the one for tools, else the default."""
    templates = config.get("chat_template")
    if isinstance(templates, list):
        templates = {string_at(entry, "name"): entry.get("template") for entry in templates if isinstance(entry, dict)}
    if isinstance(templates, dict):
        templates = templates.get(TOOL_TEMPLATE) or templates.get("default")
    return templates if isinstance(templates, str) else ""
