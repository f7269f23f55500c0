"""Make sound of samples while they arrive: by a program that reads them from its standard input.

afplay of macOS reads files only, so there the program is `mcp_server.calls.mac_sound`, which has never run on a Mac.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Protocol

import anyio
from anyio.abc import Process

from model_runtime.errors import OperationFailed

BYTES_PER_SAMPLE = 2
SLACK_SECONDS = 30.0
"""How much longer than the sound itself a program may take: it opens a device, and holds some seconds in buffers."""
MAX_ERROR_CHARS = 300

MAC_COMMAND = (sys.executable, "-P", "-m", "mcp_server.calls.mac_sound", "{rate}")
LINUX_COMMANDS = (
    ("paplay", "--raw", "--format=s16le", "--channels=1", "--rate={rate}", "--latency-msec=200"),
    ("aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}", "-"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-f", "s16le", "-sample_rate", "{rate}", "-i", "-"),
    ("pw-play", "--raw", "--format=s16", "--channels=1", "--rate={rate}", "-"),
)
"""PulseAudio, ALSA, FFmpeg, PipeWire, which is last because it knows --raw only since 1.2."""


class SoundFailed(OperationFailed):
    """The sound could not be played; the message says why."""

    code = "sound_failed"


class SoundOutput(Protocol):
    """Plays one sound on this machine."""

    async def __call__(self, sample_rate: int, chunks: AsyncIterable[bytes]) -> None:
        """Play `chunks` of mono signed 16-bit little-endian samples as they arrive; return when the last is heard.

        `sample_rate` is in Hz. Cancellation silences it at once.

        Raises:
            SoundFailed: the sound cannot be played.
        """
        ...


def system_output() -> SoundOutput | None:
    """Return the output of this system, or None if no program that can play is installed."""
    if sys.platform == "darwin":
        return ProgramOutput(MAC_COMMAND)
    command = next((command for command in LINUX_COMMANDS if shutil.which(command[0])), None)
    return ProgramOutput(command) if command else None


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """Plays by a program; `{rate}` in its `command` stands for the sample rate."""

    command: tuple[str, ...]

    async def __call__(self, sample_rate: int, chunks: AsyncIterable[bytes]) -> None:
        """Start the program, write the samples to it and wait for its end; see `SoundOutput`."""
        command = [part.format(rate=sample_rate) for part in self.command]
        try:
            with tempfile.TemporaryFile() as stderr:
                async with await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=stderr) as process:
                    await self._feed(process, sample_rate, chunks)
                if process.returncode:
                    raise SoundFailed(f"{command[0]} ended with {process.returncode}: {_last_words(stderr)}")
        except OSError as error:
            raise SoundFailed(f"{command[0]} cannot be run: {error.strerror}.") from error

    async def _feed(self, process: Process, sample_rate: int, chunks: AsyncIterable[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101 - open_process makes a pipe
        try:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # its exit status says why it ended
                async for pcm in chunks:
                    with anyio.fail_after(len(pcm) / BYTES_PER_SAMPLE / sample_rate + SLACK_SECONDS):
                        await process.stdin.send(pcm)
                await process.stdin.aclose()
            with anyio.fail_after(SLACK_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            raise SoundFailed(f"{self.command[0]} takes no more sound; is the sound of this machine on?") from None


def _last_words(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    return " ".join(stderr.read().decode(errors="replace").split())[-MAX_ERROR_CHARS:]
