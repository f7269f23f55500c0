"""Whatever a client sends, an entry of the log is one line."""

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.log_format import CONTINUATION, LOG_FORMAT, OneLineFormatter, configure_logging, escape_control

FORGED = "/x\n2026-11-30 12:00:00,000 INFO mcp_server: all is well\x1b[2J\r"


def entry(message: str, *args: object, error: Exception | None = None) -> str:
    exc_info = (type(error), error, None) if error else None
    record = logging.LogRecord("senses", logging.INFO, __file__, 1, message, args, exc_info)
    return OneLineFormatter(LOG_FORMAT).format(record)


@pytest.mark.promise("reliability:log-lines")
def test_a_newline_or_an_escape_in_a_path_is_shown_and_not_obeyed() -> None:
    line = entry("GET %s → 404", FORGED)

    assert "\n" not in line
    assert "\x1b" not in line
    assert r"/x\n2026-11-30 12:00:00,000 INFO mcp_server: all is well\x1b[2J\r → 404" in line


def test_a_traceback_cannot_forge_an_entry_either() -> None:
    first, *others = entry("It failed", error=ValueError(FORGED)).split("\n")

    assert first.endswith("It failed")
    assert all(line.startswith(CONTINUATION) for line in others)
    assert any("2026-11-30" in line for line in others)


@given(st.text(), st.text())
def test_every_text_is_one_printable_line(message: str, error: str) -> None:
    lines = entry("%s", message, error=ValueError(error)).splitlines()

    assert all(line.startswith(CONTINUATION) for line in lines[1:])
    assert not any("\x1b" in line for line in lines)


def test_other_text_stays_as_it_is() -> None:
    assert escape_control("Größe → 3 MB, 图片 🎨") == "Größe → 3 MB, 图片 🎨"


def test_every_log_of_the_daemon_has_this_format(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.Logger("root")  # noqa: LOG001 - the real one belongs to pytest
    monkeypatch.setattr(logging, "root", root)

    configure_logging()

    assert [type(handler.formatter) for handler in root.handlers] == [OneLineFormatter]
    assert root.handlers[0].stream is sys.stderr  # type: ignore[attr-defined]
