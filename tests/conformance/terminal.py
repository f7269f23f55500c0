"""A pseudo-terminal in which a client runs, and a person who reads the screen and presses keys."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyte

COLUMNS, ROWS = 120, 40
POLL_SECONDS = 0.2
DOWN, RIGHT, ENTER, ESCAPE = "\x1b[B", "\x1b[C", "\r", "\x1b"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person does: once the screen shows `seen` and is still, they press `keys`."""

    seen: str
    keys: str


def run_in_terminal(
    command: Sequence[str],
    environ: Mapping[str, str],
    answers: Sequence[Answer],
    is_done: Callable[[], bool],
    *,
    timeout_seconds: float,
) -> tuple[str, ...]:
    """Run a command in a terminal until `is_done()`, and give each answer in its order.

    Returns the screens to which the person answered, and the last one.

    Raises:
        TimeoutError: the time is over before that; the message is the screen.
    """
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.execvpe(command[0], list(command), dict(environ))  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        return _watch(terminal, list(answers), is_done, time.monotonic() + timeout_seconds)
    finally:
        os.kill(process_id, signal.SIGKILL)
        os.waitpid(process_id, 0)
        os.close(terminal)


def _watch(terminal: int, answers: list[Answer], is_done: Callable[[], bool], deadline: float) -> tuple[str, ...]:
    screen = pyte.Screen(COLUMNS, ROWS)
    stream, seen = pyte.ByteStream(screen), []
    while not is_done() or answers:
        shown = "\n".join(line.rstrip() for line in screen.display if line.strip())
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing on the screen answers {answers[:1]}:\n{shown}")
        if select.select([terminal], [], [], POLL_SECONDS)[0]:
            stream.feed(os.read(terminal, 1 << 16))
        elif answers and answers[0].seen in shown:
            os.write(terminal, answers.pop(0).keys.encode())
            seen.append(shown)
    return (*seen, "\n".join(screen.display))
