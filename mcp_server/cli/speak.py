"""`senses speak`: a text as speech, into a file, onto standard output or out of the speakers while it is made."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import typer
from anyio import to_thread

from mcp_server.calls.sound_output import SoundOutput, system_output
from mcp_server.cli.api import DaemonApi
from mcp_server.cli.endings import WrongUse
from mcp_server.cli.outputs import format_of, needs_file, print_json, print_notes, write_output
from mcp_server.cli.progress import shown_progress
from model_runtime.errors import OperationFailed
from model_runtime.requests import Task

ENDINGS = {name: (f".{name}",) for name in ("wav", "mp3", "flac", "opus", "aac", "pcm")}
BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Speech:
    """What to speak; empty fields are left to the daemon."""

    text: str
    model: str = ""
    voice: str = ""
    speed: float = 1.0
    language: str = ""

    def body(self) -> dict[str, Any]:
        """Return the body of the request: it asks for bare samples, which can be played and encoded."""
        fields = {"model": self.model or "auto", "input": self.text, "voice": self.voice, "language": self.language}
        return {name: value for name, value in fields.items() if value} | {
            "speed": self.speed,
            "response_format": "pcm",
        }


def check_output(output: Path | None, *, plays: bool, as_json: bool) -> str:
    """Return the format of the sound.

    Raises:
        WrongUse: it has no place to go, or the file has the ending of no sound.
    """
    if not plays and (needs_file(output) or (as_json and output is None)):
        taken = "takes the JSON" if as_json else "is a terminal, which shows no sound"
        raise WrongUse(f"Standard output {taken}. Name a file with -o, or hear it with --play.")
    return format_of(output, ENDINGS, "wav")


def find_speakers() -> SoundOutput:
    """Return what plays sound on this machine.

    Raises:
        OperationFailed: nothing does.
    """
    speakers = system_output()
    if speakers is None:
        raise OperationFailed("No program here plays sound. Install pulseaudio-utils, alsa-utils or ffmpeg, or use -o.")
    return speakers


def speak(
    api: DaemonApi,
    speech: Speech,
    output: Path | None,
    sound_format: str,
    speakers: SoundOutput | None,
    *,
    as_json: bool,
) -> None:
    """Make the speech, play it by `speakers` while it comes, and write it unless it is only played.

    Raises:
        RequestFailed: the daemon refuses the text or fails at it.
        SoundFailed: it cannot be played.
        OSError: the file cannot be written.
    """
    from model_runtime.media.speech_encoder import encode_speech

    sound = bytearray()
    with shown_progress(api, Task.SPEECH), api.stream("/v1/audio/speech", json=speech.body()) as response:
        rate = int(response.headers["x-sample-rate"])
        pieces = _kept(response.iter_bytes(), sound)
        if speakers is None:
            for _ in pieces:
                pass
        else:
            anyio.run(_play, speakers, rate, pieces)
    if output is not None or speakers is None:
        write_output(output, encode_speech(bytes(sound), rate, sound_format))
    seconds = len(sound) / BYTES_PER_SAMPLE / rate
    _report(response.headers, output, seconds, as_json=as_json)


def _kept(pieces: Iterator[bytes], sound: bytearray) -> Iterator[bytes]:
    """Yield whole samples, and add them to `sound`: a piece may end in the middle of one."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % BYTES_PER_SAMPLE
        part, rest = rest[:whole], rest[whole:]
        sound += part
        if part:
            yield part


async def _play(speakers: SoundOutput, rate: int, pieces: Iterator[bytes]) -> None:
    async def arriving() -> AsyncGenerator[bytes]:
        while piece := await to_thread.run_sync(next, pieces, b"", abandon_on_cancel=True):
            yield piece

    await speakers(rate, arriving())


def _report(headers: Mapping[str, str], output: Path | None, seconds: float, *, as_json: bool) -> None:
    warnings = json.loads(headers.get("x-senses-warnings", "[]"))
    if as_json:
        model = unquote(headers.get("x-senses-model", ""))
        print_json({"file": str(output or ""), "seconds": seconds, "model": model, "warnings": warnings})
        return
    if output is not None:
        typer.echo(f"{output}: {seconds:.1f} s", err=True)
    print_notes(warnings)
