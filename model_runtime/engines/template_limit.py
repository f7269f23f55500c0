"""A time limit for chat templates. They are programs of whoever published the model, and may loop for ever."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from model_runtime.errors import JobFailed

TEMPLATE_SECONDS = 5.0
"""Templates take milliseconds."""
REPEAT_SECONDS = 0.5
"""The signal is repeated, in case a library handles the first one as an error of its own."""


class _TimeIsUp(BaseException):
    """Not an `Exception`, which libraries catch."""


@contextmanager
def limit_template() -> Iterator[None]:
    """End the block after `TEMPLATE_SECONDS`. Signals reach the main thread only, in which workers run their engine.

    Raises:
        JobFailed: the block did not end in time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _raise_time_is_up)
    signal.setitimer(signal.ITIMER_REAL, TEMPLATE_SECONDS, REPEAT_SECONDS)
    try:
        yield
    except _TimeIsUp:
        raise JobFailed(
            f"The chat template of this model did not end within {TEMPLATE_SECONDS:g} seconds, so it was stopped. "
            "Choose another model, or another conversion of this one."
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _raise_time_is_up(number: int, frame: FrameType | None) -> None:
    raise _TimeIsUp
