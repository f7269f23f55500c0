"""`senses chat`: one answer, or a conversation in the terminal; and what asks a model for `senses describe`, too."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any

import typer

from mcp_server.cli.api import DaemonApi
from mcp_server.cli.outputs import print_json, print_notes
from mcp_server.cli.progress import shown_progress
from model_runtime.requests import Task

PROMPT = "> "
ChatMessage = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """The whole text of an answer, and what the daemon says of it: model, warnings, seconds."""

    text: str
    senses: dict[str, Any]


def ask(
    api: DaemonApi,
    model: str,
    messages: Sequence[ChatMessage],
    print_part: Callable[[str], None] | None = None,
    *,
    task: Task = Task.TEXT,
) -> ChatAnswer:
    """Send a chat, give each part of the answer to `print_part` as it comes, and return the whole.

    Raises:
        RequestFailed: the daemon refuses the chat or fails at it.
    """
    body = {"model": model or "auto", "messages": list(messages), "stream": True}
    parts: list[str] = []
    senses: dict[str, Any] = {}
    with closing(api.events("/v1/chat/completions", json=body)) as events, ExitStack() as progress:
        progress.enter_context(shown_progress(api, task))
        for event in events:
            senses = event.get("senses", senses)
            part = _text_of(event)
            if part and print_part:
                progress.close()  # the text takes its place
                print_part(part)
            parts.append(part)
    return ChatAnswer("".join(parts).strip(), senses)


def _text_of(event: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))


def print_part(part: str) -> None:
    """Print a part of an answer at once."""
    typer.echo(part, nl=False)


def answer_once(api: DaemonApi, model: str, messages: Sequence[ChatMessage], *, as_json: bool) -> None:
    """Print the answer to a chat, as text while it comes or as JSON.

    Raises:
        RequestFailed: the daemon refuses the chat or fails at it.
    """
    answer = ask(api, model, messages, None if as_json else print_part)
    if as_json:
        print_json({"text": answer.text, **answer.senses})
        return
    typer.echo()
    print_notes(answer.senses.get("warnings", ()))


def converse(api: DaemonApi, model: str, messages: list[ChatMessage], read_line: Callable[[str], str] = input) -> None:
    """Answer each line that a person types, with all that was said before, until Ctrl-D.

    Raises:
        RequestFailed: the daemon refuses the chat or fails at it.
    """
    with suppress(ImportError):
        import readline  # noqa: F401 - gives `input` its editing of lines
    typer.echo("Each line is answered. Ctrl-D ends.", err=True)
    with suppress(EOFError):
        while True:
            if line := read_line(PROMPT).strip():
                messages.append({"role": "user", "content": line})
                answer = ask(api, model, messages, print_part)
                typer.echo()
                messages.append({"role": "assistant", "content": answer.text})
    typer.echo()
