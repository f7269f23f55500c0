"""Run `senses` in this process: in a pseudo-terminal, as a person does, or in a pipe, as a program does."""

import io
import os
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

from anyio import to_thread
from typer.testing import CliRunner

from mcp_server.cli.main import app

END_OF_INPUT = "\x04"
"""What Ctrl-D sends."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The status of a command and what it printed; in a terminal all is in `stdout`."""

    status: int
    stdout: bytes
    stderr: str = ""

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode()


async def in_pipe(*arguments: str, sent: bytes = b"") -> Ended:
    """Run a command whose standard streams are pipes, in a thread: a daemon may serve it in this process."""
    result = await to_thread.run_sync(lambda: CliRunner().invoke(app, arguments, input=sent))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout_bytes, result.stderr)


async def in_terminal(*arguments: str, typed: str = "") -> Ended:
    """Run a command in a pseudo-terminal in which `typed` was typed."""
    return await to_thread.run_sync(_run_in_terminal, arguments, typed)


def _run_in_terminal(arguments: tuple[str, ...], typed: str) -> Ended:
    status: int | str | None = 0
    with pseudo_terminal(typed) as shown:
        try:
            app(arguments)
        except SystemExit as ended:
            status = ended.code
    return Ended(int(status or 0), b"".join(shown))


@contextmanager
def pseudo_terminal(typed: str) -> Generator[list[bytes]]:
    """Make the standard streams those of a terminal; after the block, the list has what it shows."""
    shown: list[bytes] = []
    person, terminal = os.openpty()
    os.write(person, typed.encode())
    reader = threading.Thread(target=_read_all, args=(person, shown))
    reader.start()
    streams = (sys.stdin, sys.stdout, sys.stderr)
    with ExitStack() as opened:
        opened.callback(reader.join)
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            setattr(sys, name, opened.enter_context(_stream(terminal, mode)))
        os.close(terminal)
        try:
            yield shown
        finally:
            sys.stdin, sys.stdout, sys.stderr = streams
    os.close(person)


def _stream(terminal: int, mode: str) -> IO[str]:
    return io.TextIOWrapper(os.fdopen(os.dup(terminal), mode + "b", buffering=0 if mode == "w" else -1))


def _read_all(person: int, shown: list[bytes]) -> None:
    while True:
        try:
            data = os.read(person, 1 << 16)
        except OSError:  # EIO: Linux's end of a terminal
            return
        if not data:
            return
        shown.append(data)
