"""Options that several commands share, and the settings that all of them read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from model_runtime.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object on a line, for programs.")]
ModelOption = Annotated[str, typer.Option("--model", "-m", help="A name from `senses models`.", metavar="MODEL")]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="A file; its ending chooses the format.", metavar="FILE")
]
TextFiles = Annotated[
    list[str], typer.Option("--file", "-f", help="Read the text from a file; - is standard input.", metavar="FILE")
]


def read_settings() -> "Settings":
    """Return the settings of this instance.

    Raises:
        SettingsError: a setting cannot be used.
    """
    from model_runtime.settings import load_settings

    return load_settings(os.environ)
