"""Tools that no model should be loaded for, and what is said where a model cannot call any."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.builtin_models import OCR_ENGINE
from model_runtime.catalog.model import Model
from model_runtime.errors import ContextExceeded, InvalidInput
from model_runtime.requests import Chat, Message, Speak, Task, Tool, ToolCall
from model_runtime.validation import validate
from model_runtime.validation.tools import tool_warnings

WEATHER = Tool("weather", parameters='{"type": "object"}')
QWEN = "{{ '<tool_call>' }}{{ tool_call.name }}"
MODEL = Model("a-model", Task.TEXT, "mlx-lm", "for a test")


def chat(**changes: Any) -> Chat:
    """Return a chat that offers a tool."""
    return replace(Chat("a-model", (Message("user", ("Hi.",)),), tools=(WEATHER,)), **changes)


def folder_with(folder: Path, template: str) -> dict[str, Path]:
    """Write what validation reads of a checkpoint."""
    (folder / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 4096}')
    (folder / "chat_template.jinja").write_text(template)
    return {"model": folder}


@pytest.mark.promise("chat:tools-refused-before-loading")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (chat(tool_choice="required", tools=()), "tool_choice", "tools is empty"),
        (
            chat(tool_choice="required", forced_tool="moon"),
            "tool_choice",
            r"'moon', which is not among tools \(weather\)",
        ),
        (chat(tools=(WEATHER, WEATHER)), "tools", "Two tools have the name 'weather'"),
        (chat(tools=(Tool("odd", parameters="{"),)), "tools", "'odd' cannot be read"),
        (chat(tools=(Tool("odd", parameters="[]"),)), "tools", "are a list; they must be a JSON schema"),
        (chat(tools=(Tool("odd", "\ud83d"),)), "tools", "'odd' cannot be read"),
        (
            chat(messages=(Message("user", ("Hi.",)), Message("assistant", (), (ToolCall("1", "a", "\udc00"),)))),
            "messages",
            "half of a character",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, request_: Chat, param: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        validate(request_, MODEL, folder_with(tmp_path, QWEN))

    assert refused.value.param == param


@pytest.mark.promise("chat:tools-refused-before-loading")
@pytest.mark.parametrize("forced", ["", "weather"])
@pytest.mark.parametrize("template", ["{{ messages }}", "]<]minimax[>[<tool_call>"])
def test_a_model_that_cannot_be_made_to_call_says_so_and_what_to_do(tmp_path: Path, template: str, forced: str) -> None:
    request = chat(tool_choice="required", forced_tool=forced)

    with pytest.raises(InvalidInput, match='but a-model c.+Set tool_choice to "auto", or choose a model') as refused:
        validate(request, MODEL, folder_with(tmp_path, template))

    assert (refused.value.param, refused.value.code) == ("tool_choice", "unsupported_value")


def test_a_model_that_reads_text_cannot_call(tmp_path: Path) -> None:
    reader = Model("a-reader", Task.VISION, OCR_ENGINE, "for a test")

    with pytest.raises(InvalidInput, match="a-reader cannot call tools"):
        validate(chat(tool_choice="required"), reader, {"model": tmp_path})


def test_a_model_with_a_template_may_be_made_to_call(tmp_path: Path) -> None:
    folders = folder_with(tmp_path, QWEN)

    validate(chat(tool_choice="required", forced_tool="weather"), MODEL, folders)
    validate(chat(), MODEL, folders)
    assert tool_warnings(chat(), MODEL, folders) == ()


@pytest.mark.promise("chat:tools-without-a-template")
def test_tools_that_are_only_offered_are_told_to_have_no_effect(tmp_path: Path) -> None:
    folders = folder_with(tmp_path, "{{ messages }}")

    validate(chat(), MODEL, folders)
    (warning,) = tool_warnings(chat(), MODEL, folders)

    assert warning.startswith("The tools had no effect: a-model cannot call tools")
    assert tool_warnings(chat(tool_choice="none"), MODEL, folders) == ()
    assert tool_warnings(chat(tools=()), MODEL, folders) == ()
    assert tool_warnings(Speak("a-model", "Hi."), MODEL, folders) == ()


def test_tools_far_beyond_the_context_never_reach_an_engine(tmp_path: Path) -> None:
    with pytest.raises(ContextExceeded):
        validate(chat(tools=(Tool("weather", "x" * 70_000),)), MODEL, folder_with(tmp_path, QWEN))
