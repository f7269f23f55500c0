"""One format for every log of the daemon: a message is one line, and control characters are escaped.

Paths, names and messages of clients reach the log. Without the escapes a newline in one forges a line, and an escape
sequence acts on the terminal of the reader.
"""

import logging
import re
import sys

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 control characters, Unicode's line separators, and the marks that change the direction of text."""
CONTINUATION = "    | "
"""Begins each line of a traceback, so that none looks like an entry."""


def escape_control(text: str) -> str:
    r"""Return the text with control characters as escapes such as `\n` and `\x1b`."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class OneLineFormatter(logging.Formatter):
    """Escapes the message; a traceback follows in marked lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the entry as one line."""
        return escape_control(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        """Return the traceback, each line marked and escaped."""
        return _marked(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:
        """Return the stack, each line marked and escaped."""
        return _marked(stack_info)


def configure_logging(date_format: str | None = None) -> None:
    """Log to stderr from INFO up, in the one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(LOG_FORMAT, date_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _marked(text: str) -> str:
    return "\n".join(CONTINUATION + escape_control(line) for line in text.split("\n"))
