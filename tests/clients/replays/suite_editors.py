"""What editors and their agents send: Continue, Cline and opencode by their source, aider and Cursor by reports."""

import json
from typing import Any

import pytest

from tests.clients.given import SCRIPTED_ANSWER, data_url
from tests.clients.replays.program import HELLO, USAGE, Program, text_of, tool

EDITOR = Program()
STARCODER_STOPS = [
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<file_sep>",
    "<|endoftext|>",
    "</fim_middle>",
    "</code>",
    "/src/",
    "#- coding: utf-8",
    "```",
]
"""What Continue ends a completion with for any model whose name it does not know."""


def test_continue_completes_code() -> None:
    body = {
        "model": "scripted",
        "prompt": "<fim_prefix>def add(a, b):\n    return <fim_suffix>\n<fim_middle>",
        "max_tokens": 8,
        "temperature": 0.01,
        "stop": STARCODER_STOPS,
        "stream": True,
    }

    chunks = EDITOR.stream("/completions", body)

    assert all(isinstance(chunk["choices"][0]["text"], str) for chunk in chunks)


def test_continue_chats() -> None:
    picture = {"type": "image_url", "image_url": {"url": data_url("circle.png"), "detail": "low"}}
    messages = [
        {"role": "system", "content": " "},
        {"role": "user", "content": [{"type": "text", "text": "Describe this image."}, picture]},
    ]
    body = {"model": "vlm-starter", "messages": messages, "max_tokens": 4096, "stop": ["</s>"], **USAGE}

    assert "circle" in text_of(EDITOR.stream("/chat/completions", body)).lower()


def test_continue_is_told_that_there_is_no_endpoint_for_gaps() -> None:
    answer = EDITOR.send("/fim/completions", json={"model": "scripted", "prompt": "a", "suffix": "b", "stream": True})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_cline_works_on_a_task() -> None:
    """Its prompt is long, and it reads the usage of the last chunk."""
    tools = [
        tool("read_file", path={"type": "string"}),
        tool("attempt_completion", result={"type": "string"}),
    ]
    messages = [
        {"role": "system", "content": "You are Cline, a highly skilled software engineer. " * 20},
        {"role": "user", "content": [{"type": "text", "text": "<task>\nFix it\n</task>"}]},
        {"role": "assistant", "content": "I look."},
        {"role": "user", "content": [{"type": "text", "text": "[read_file] Result:"}, {"type": "text", "text": "a"}]},
    ]
    body = {"model": "scripted", "messages": messages, "temperature": 0, "tools": tools, **USAGE}

    chunks = EDITOR.stream("/chat/completions", body)

    assert text_of(chunks) == SCRIPTED_ANSWER
    usage = chunks[-1]["usage"]
    assert usage["prompt_tokens"] > 100
    assert usage["prompt_tokens_details"]["cached_tokens"] >= 0


def test_cline_asks_a_model_that_reasons() -> None:
    messages = [{"role": "developer", "content": "You are Cline."}, *HELLO]
    body = {"model": "gpt-5.2", "messages": messages, "reasoning_effort": "medium", **USAGE}

    assert text_of(EDITOR.stream("/chat/completions", body)) == SCRIPTED_ANSWER


@pytest.mark.parametrize("stream", [True, False])
def test_aider_edits(stream: bool) -> None:
    """It goes through LiteLLM, which adds nothing of its own to a chat."""
    messages = [
        {"role": "system", "content": "Act as an expert software developer."},
        {"role": "user", "content": "I want you to act as if you had added me to the chat."},
        {"role": "assistant", "content": "Ok."},
        {"role": "user", "content": "Add a docstring"},
    ]
    body = {"model": "scripted", "messages": messages, "temperature": 0, "stream": stream}

    if stream:
        said = text_of(EDITOR.stream("/chat/completions", body))
    else:
        said = EDITOR.post("/chat/completions", body)["choices"][0]["message"]["content"]

    assert said == SCRIPTED_ANSWER


def test_opencode_asks_for_more_tokens_than_the_context_has() -> None:
    """Its default for a model that it does not know is 32 000; its titles come from a second chat beside the first."""
    tools = [tool("bash", command={"type": "string"}, description={"type": "string"}), tool("todoread")]
    body = {
        "model": "scripted",
        "max_tokens": 32_000,
        "temperature": 0,
        "top_p": 1,
        "messages": [{"role": "system", "content": "You are opencode."}, *HELLO],
        "tools": tools,
        "tool_choice": "auto",
        **USAGE,
    }

    chunks = EDITOR.stream("/chat/completions", body)

    assert text_of(chunks) == SCRIPTED_ANSWER
    warnings = [warning for chunk in chunks for warning in chunk.get("senses", {}).get("warnings", [])]
    assert any("32000" in warning or "32 000" in warning for warning in warnings), warnings


def test_cursor_that_posts_a_body_of_responses_to_chat_is_told_where_it_belongs() -> None:
    body = {"model": "scripted", "input": [{"role": "user", "content": "Hello"}], "stream": True, "store": False}

    answer = EDITOR.send("/chat/completions", json=body)

    assert answer.status_code == 400
    assert "/v1/responses" in answer.json()["error"]["message"]


def test_cursor_chats_with_the_fields_of_its_own() -> None:
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You are an AI coding assistant."}, *HELLO],
        "temperature": 0,
        "user": "github|1",
        "stream": True,
        "tools": [tool("read_file", target_file={"type": "string"})],
        "tool_choice": "auto",
        "stream_options": {"include_usage": True},
    }

    assert text_of(EDITOR.stream("/chat/completions", body))


def history(name: str, arguments: dict[str, str], result: str) -> list[dict[str, Any]]:
    """Return a conversation in which a tool was called, as agents send it back."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_1", "type": "function", "function": function}
    return [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "Fix it"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


def test_opencode_goes_on_after_its_tool() -> None:
    messages = history("bash", {"command": "ls"}, "README.md")
    body = {"model": "agent", "messages": messages, "tools": [tool("bash", command={"type": "string"})], **USAGE}

    assert text_of(EDITOR.stream("/chat/completions", body)) == SCRIPTED_ANSWER


def test_cline_goes_on_after_a_tool_whose_result_has_parts() -> None:
    messages = history("read_file", {"path": "a"}, "x")
    messages[3]["content"] = [{"type": "text", "text": "line 1"}, {"type": "text", "text": "line 2"}]
    body = {"model": "agent", "messages": messages, "tools": [tool("read_file", path={"type": "string"})], **USAGE}

    assert text_of(EDITOR.stream("/chat/completions", body)) == SCRIPTED_ANSWER


def test_continue_is_given_a_call_that_it_asks_for() -> None:
    body = {
        "model": "agent",
        "messages": HELLO,
        "max_tokens": 200,
        "tools": [tool("read_file", filepath={"enum": ["a.py", "b.py"]})],
        "tool_choice": {"type": "function", "function": {"name": "read_file"}},
        **USAGE,
    }

    chunks = EDITOR.stream("/chat/completions", body)

    deltas = [
        call for chunk in chunks if chunk["choices"] for call in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert (deltas[0]["index"], deltas[0]["type"], deltas[0]["function"]["name"]) == (0, "function", "read_file")
    called = json.loads("".join(delta["function"].get("arguments", "") for delta in deltas))
    assert called["filepath"] in ("a.py", "b.py")
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
