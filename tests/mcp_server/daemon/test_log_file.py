"""A daemon that a person starts logs to a file as well."""

import logging
from pathlib import Path

import pytest

from mcp_server.daemon.log_file import logging_to_file
from mcp_server.launcher.connect import MAX_LOG_BYTES


@pytest.fixture
def log() -> logging.Logger:
    log = logging.getLogger("tests.log_file")
    log.setLevel(logging.INFO)
    return log


@pytest.mark.promise("log:file")
def test_what_is_logged_is_in_the_file_that_only_its_user_reads(tmp_path: Path, log: logging.Logger) -> None:
    path = tmp_path / "logs" / "daemon.log"
    with logging_to_file(path):
        log.info("eyes is loaded\nand more")
    log.info("after it")

    assert path.read_text(encoding="utf-8").endswith("INFO tests.log_file: eyes is loaded\\nand more\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_stderr_writes_already_is_not_written_twice(tmp_path: Path, log: logging.Logger) -> None:
    path = tmp_path / "daemon.log"
    with path.open("w", encoding="utf-8") as stderr, logging_to_file(path, stderr.fileno()):
        log.info("eyes is loaded")

    assert path.read_text(encoding="utf-8") == ""


def test_a_large_log_is_put_aside(tmp_path: Path, log: logging.Logger) -> None:
    path = tmp_path / "daemon.log"
    path.write_bytes(b"x" * (MAX_LOG_BYTES + 1))

    with logging_to_file(path):
        log.info("begun")

    assert path.stat().st_size < 200
    assert (tmp_path / "daemon.log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "logs").write_text("a file, not a folder", encoding="utf-8")

    with logging_to_file(tmp_path / "logs" / "daemon.log"):
        pass

    assert "Nothing is logged to" in caplog.text
