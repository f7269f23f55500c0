"""`senses describe`: what pictures show, or the answer to a question about each of them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from mcp_server.cli.api import DaemonApi
from mcp_server.cli.chat import ChatMessage, ask, print_part
from mcp_server.cli.inputs import read_bytes, title_of
from mcp_server.cli.outputs import print_json, print_notes, write_output
from model_runtime.requests import Task

QUESTION = "Describe this image in detail."


def describe(
    api: DaemonApi, files: Sequence[str], question: str, model: str, output: Path | None, *, as_json: bool
) -> None:
    """Print what each picture shows, several under their names; or write all into one file.

    Raises:
        WrongUse: a file is empty.
        RequestFailed: the daemon refuses a picture or fails at it.
        OSError: a file cannot be read or written.
    """
    texts = []
    for file in files:
        title = f"{title_of(file)}:\n" if len(files) > 1 else ""
        shows = output is None and not as_json
        if shows and title:
            typer.echo(title, nl=False)
        answer = ask(api, model, [question_about(file, question)], print_part if shows else None, task=Task.VISION)
        result: dict[str, Any] = {"file": file, "text": answer.text, **answer.senses}
        if as_json:
            print_json(result)
        elif shows:
            typer.echo("\n" if file != files[-1] else "")
        print_notes([] if as_json else answer.senses.get("warnings", ()))
        texts.append(title + answer.text + "\n")
    if output:
        write_output(output, "\n".join(texts).encode())


def question_about(file: str, question: str) -> ChatMessage:
    """Return the message with a picture and a question.

    Raises:
        WrongUse: the file is empty.
        OSError: it cannot be read.
    """
    data = base64.b64encode(read_bytes(file)).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:application/octet-stream;base64,{data}"}}
    return {"role": "user", "content": [picture, {"type": "text", "text": question or QUESTION}]}
