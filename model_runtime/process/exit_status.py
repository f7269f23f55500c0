"""Why a process ended, as a clause for people."""

import os
import signal

SIGNAL_MEANINGS = {
    "SIGKILL": "which is what the system does when memory runs out",
    "SIGABRT": "which is how Metal and native libraries give up",
    "SIGSEGV": "a fault in native code",
    "SIGBUS": "a fault in native code",
    "SIGILL": "a build of a library that does not fit this processor",
}


def describe_exit(status: int, last_line: str) -> str:
    """Turn a status of `waitpid` and the last printed line into a clause without a full stop at its end."""
    how = _signalled(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else _exited(os.waitstatus_to_exitcode(status))
    return f"{how}; last log line: {last_line}" if last_line else how


def _signalled(number: int) -> str:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    meaning = SIGNAL_MEANINGS.get(name)
    return f"the worker was killed by {name}" + (f", {meaning}" if meaning else "")


def _exited(code: int) -> str:
    return f"the worker exited with code {code}"
