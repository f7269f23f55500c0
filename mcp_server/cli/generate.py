"""`senses generate`: draw pictures of a text into files or onto standard output."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mcp_server.cli.api import DaemonApi
from mcp_server.cli.endings import WrongUse
from mcp_server.cli.outputs import free_names, needs_file, numbered, print_json, print_notes, write_output
from mcp_server.cli.progress import shown_progress
from model_runtime.requests import Task

ENDINGS = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}


@dataclass(frozen=True, slots=True)
class DrawingRequest:
    """What to draw. Fields that are None or empty are left to the daemon."""

    prompt: str
    model: str = ""
    size: str = ""
    steps: int | None = None
    seed: int | None = None
    count: int = 1

    def body(self, image_format: str) -> dict[str, Any]:
        """Return the body of the request."""
        fields = {"model": self.model or "auto", "prompt": self.prompt, "size": self.size, "steps": self.steps}
        fields |= {"seed": self.seed, "n": self.count, "output_format": image_format}
        return {name: value for name, value in fields.items() if value not in (None, "")}


def output_files(drawing: DrawingRequest, output: Path | None, *, as_json: bool, opens: bool) -> Sequence[Path | None]:
    """Return a file for each picture, or None for standard output in a pipe.

    Raises:
        WrongUse: several pictures, JSON or a picture to be opened would go to one pipe.
    """
    if output is None and not (needs_file(output) or as_json or opens):
        if drawing.count > 1:
            raise WrongUse(f"Standard output takes one picture, not {drawing.count}. Name a file with -o.")
        return [None]
    return numbered(output, drawing.count) if output else free_names(drawing.prompt, ".png", drawing.count)


def generate(
    api: DaemonApi,
    drawing: DrawingRequest,
    files: Sequence[Path | None],
    image_format: str,
    *,
    as_json: bool,
    open_file: Callable[[str], object] | None,
) -> None:
    """Draw, write a file each and print their names; `open_file` shows each to the person.

    Raises:
        RequestFailed: the daemon refuses the text or fails at it.
        OSError: a file cannot be written.
    """
    with shown_progress(api, Task.IMAGE):
        answer = api.post("/v1/images/generations", json=drawing.body(image_format))
    senses = answer["senses"]
    for file, image, seed in zip(files, answer["data"], senses["seeds"], strict=True):
        write_output(file, base64.b64decode(image["b64_json"]))
        if as_json:
            print_json({"file": str(file), "seed": seed, **senses})
        elif file is not None:
            typer.echo(str(file))
        if open_file and file is not None:
            open_file(str(file))
    print_notes([] if as_json else senses["warnings"])
