"""Describe the exit status of a worker for users."""

import os
import signal
import sys

CODE_SIGNING = " or the code signature of a library is invalid"
"""macOS sends SIGKILL for that, too (`Code Signature Invalid` in the crash report); other systems check none."""

SIGNAL_MEANINGS = {
    "SIGKILL": "as the system does when memory runs out",
    "SIGABRT": "as Metal and native libraries do on a fatal error",
    "SIGSEGV": "a fault in native code",
    "SIGBUS": "a fault in native code",
    "SIGILL": "a library built for another processor",
}


def describe_exit(status: int, last_line: str) -> str:
    """Return a clause about a status of `waitpid`, with the last log line (may be empty) and without a full stop."""
    if os.WIFSIGNALED(status):
        clause = _describe_signal(os.WTERMSIG(status))
    else:
        clause = f"the worker exited with code {os.waitstatus_to_exitcode(status)}"
    return f"{clause}; last log line: {last_line}" if last_line else clause


def _describe_signal(number: int) -> str:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    meaning = SIGNAL_MEANINGS.get(name, "")
    if name == "SIGKILL" and sys.platform == "darwin":
        meaning += CODE_SIGNING
    return f"the worker was killed by {name}" + (f", {meaning}" if meaning else "")
