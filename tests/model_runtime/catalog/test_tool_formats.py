"""How a model calls tools is found in its files, wherever they have the template."""

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from model_runtime.catalog.tool_formats import TOOL_FORMATS, read_tool_format

QWEN = "{{ '<tool_call>' }}{{ tool_call.name }}"
CODER = "{{ '<tool_call>\\n<function=' }}"
PLAIN = "{{ messages[0].content }}"


def found(folder: Path, files: Mapping[str, object], *, has_processor: bool = False) -> str | None:
    """Write files, texts or JSON, and return the name of the format that is found."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    tool_format = read_tool_format(folder, has_processor=has_processor)
    return tool_format.name if tool_format else None


@pytest.mark.promise("chat:tools")
@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, None),
        ({"tokenizer_config.json": {"chat_template": PLAIN}}, None),
        ({"tokenizer_config.json": {"chat_template": QWEN}}, "json_tools"),
        ({"chat_template.jinja": QWEN, "tokenizer_config.json": {"chat_template": PLAIN}}, "json_tools"),
        ({"chat_template.jinja": PLAIN, "tokenizer_config.json": {"chat_template": QWEN}}, None),
        (
            {
                "tokenizer_config.json": {
                    "chat_template": [
                        {"name": "default", "template": PLAIN},
                        {"name": "tool_use", "template": QWEN},
                    ]
                }
            },
            "json_tools",
        ),
        ({"tokenizer_config.json": {"chat_template": [{"name": "default", "template": QWEN}, 7]}}, "json_tools"),
        ({"chat_template.jinja": PLAIN, "additional_chat_templates/tool_use.jinja": CODER}, "qwen3_coder"),
        ({"tokenizer_config.json": {"tool_parser_type": "laguna", "chat_template": PLAIN}}, "glm47"),
        ({"tokenizer_config.json": {"tool_parser_type": "unheard-of", "chat_template": QWEN}}, "json_tools"),
        (
            {
                "tokenizer_config.json": {
                    "chat_template": PLAIN,
                    "added_tokens_decoder": {"5": {"content": "<|tool_call_start|>"}, "6": 7},
                }
            },
            "pythonic",
        ),
        ({"tokenizer_config.json": {"chat_template": 7}}, None),
        ({"tokenizer_config.json": "no JSON"}, None),
        ({"tokenizer_config.json": "[]"}, None),
    ],
)
def test_the_template_is_found_as_the_libraries_find_it(
    tmp_path: Path, files: Mapping[str, object], name: str | None
) -> None:
    assert found(tmp_path, files) == name


def test_every_parser_is_a_module_of_its_library() -> None:
    """Its file is looked for, because an import would load MLX."""
    missing = [one.name for one in TOOL_FORMATS if not parser_file(one.parser).is_file()]

    assert missing == []
    assert len({one.name for one in TOOL_FORMATS}) == len(TOOL_FORMATS)


def parser_file(module: str) -> Path:
    library, *folders = module.split(".")
    spec = find_spec(library)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], *folders).with_suffix(".py")


@pytest.mark.promise("chat:tools")
def test_the_template_of_a_processor_is_that_of_a_vision_model_only(tmp_path: Path) -> None:
    files = {"chat_template.json": {"chat_template": QWEN}, "tokenizer_config.json": {"chat_template": PLAIN}}

    assert found(tmp_path, files, has_processor=True) == "json_tools"
    assert found(tmp_path, files) is None


def test_a_template_that_changes_is_read_again(tmp_path: Path) -> None:
    assert found(tmp_path, {"chat_template.jinja": PLAIN}) is None

    assert found(tmp_path, {"chat_template.jinja": CODER}) == "qwen3_coder"


def test_a_pipe_in_place_of_a_template_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "chat_template.jinja")

    assert read_tool_format(tmp_path, has_processor=False) is None
