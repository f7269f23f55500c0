"""`senses transcribe`: write recordings down, as text or with times."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from mcp_server.cli.api import DaemonApi
from mcp_server.cli.chat import print_part
from mcp_server.cli.endings import WrongUse
from mcp_server.cli.inputs import STDIN, read_bytes, title_of
from mcp_server.cli.outputs import check_folder, format_of, print_json, print_notes, write_output
from mcp_server.cli.progress import shown_progress
from model_runtime.requests import Task


class TranscriptFileType(StrEnum):
    """How a transcript is written; the names are the endings of its files."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


ENDINGS = {name: (f".{name}",) for name in TranscriptFileType}
RESPONSE_FORMATS = {TranscriptFileType.TXT: "text", TranscriptFileType.JSON: "verbose_json"}
"""What OpenAI's API calls a format, where it has another name."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is asked for each recording; empty fields are left to the daemon."""

    model: str = ""
    language: str = ""
    translate: bool = False

    @property
    def path(self) -> str:
        """The endpoint."""
        return "/v1/audio/translations" if self.translate else "/v1/audio/transcriptions"

    def form(self, file: str, **fields: str) -> dict[str, Any]:
        """Return the arguments of a request with a file.

        Raises:
            WrongUse: the file is empty.
            OSError: it cannot be read.
        """
        asked = {"model": self.model or "auto", "language": self.language, **fields}
        name = "recording" if file == STDIN else Path(file).name
        return {
            "data": {key: value for key, value in asked.items() if value},
            "files": {"file": (name, read_bytes(file))},
        }


def parse_format(word: str) -> TranscriptFileType | None:
    """Return the format of a word, None without one.

    Raises:
        WrongUse: there is no such format.
    """
    try:
        return TranscriptFileType(word.lower()) if word else None
    except ValueError:
        raise WrongUse(f"--format is {word!r}. It must be one of {', '.join(TranscriptFileType)}.") from None


def output_files(
    files: Sequence[str], output: Path | None, asked: TranscriptFileType | None
) -> list[tuple[Path | None, TranscriptFileType]]:
    """Return where each transcript goes, None for standard output, and its format.

    An output that is a folder takes a file for each recording, of the recording's name.

    Raises:
        WrongUse: several recordings would be written into one file, or the file cannot be made, or no transcript has
            its ending.
    """
    if output is not None and output.expanduser().is_dir():
        chosen = asked or TranscriptFileType.TXT
        paths = [output / f"{Path(title_of(file)).stem}.{chosen}" for file in files]
        if doubled := next((path for path, count in Counter(paths).items() if count > 1), None):
            raise WrongUse(f"{doubled} would be the transcript of several recordings. Write them into several folders.")
        return [(path, chosen) for path in paths]
    if output is not None and len(files) > 1:
        raise WrongUse(f"{output} is one file for {len(files)} recordings. Name a folder that exists.")
    check_folder(output)
    return [(output, asked or format_of(output, ENDINGS, TranscriptFileType.TXT)) for _ in files]


def transcribe(
    api: DaemonApi,
    recording: Recording,
    files: Sequence[str],
    outputs: Sequence[tuple[Path | None, TranscriptFileType]],
    *,
    as_json: bool,
) -> None:
    """Write each recording down, onto standard output several under their names.

    Raises:
        WrongUse: a file is empty.
        RequestFailed: the daemon refuses a recording or fails at it.
        OSError: a file cannot be read or written.
    """
    for file, (output, chosen) in zip(files, outputs, strict=True):
        if len(files) > 1 and output is None and not as_json:
            typer.echo(f"{title_of(file)}:")
        if output is None and not as_json and chosen is TranscriptFileType.TXT:
            _print_as_it_comes(api, recording, file)
            continue
        data = _whole(api, recording, file, TranscriptFileType.JSON if as_json and output is None else chosen)
        if output is not None or not as_json:
            write_output(output, data)
        if as_json:
            print_json({"file": file} | ({"output": str(output)} if output else json.loads(data)))
        elif output:
            typer.echo(str(output), err=True)


def _print_as_it_comes(api: DaemonApi, recording: Recording, file: str) -> None:
    form = recording.form(file, stream="true")
    with closing(api.events(recording.path, **form)) as events, ExitStack() as progress:
        progress.enter_context(shown_progress(api, Task.TRANSCRIPTION))
        for event in events:
            if delta := event.get("delta"):
                progress.close()  # the text takes its place
                print_part(delta)
            if senses := event.get("senses"):
                typer.echo()
                print_notes(senses["warnings"])


def _whole(api: DaemonApi, recording: Recording, file: str, chosen: TranscriptFileType) -> bytes:
    form = recording.form(file, response_format=RESPONSE_FORMATS.get(chosen, chosen))
    with shown_progress(api, Task.TRANSCRIPTION), api.stream(recording.path, **form) as response:
        return response.read()
