"""The last lines that a worker printed."""

import os

import pytest

from model_runtime.process.log_tail import CHUNK_BYTES, MAX_CHUNKS, MAX_LINE_BYTES, MAX_LINES, LogTail


def test_the_log_tail_keeps_the_last_lines() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    log = LogTail("m", read)

    os.write(write, b"\n".join(b"line %d" % number for number in range(MAX_LINES + 50)) + b"\n\rstep 1\rstep 2\nunfin")
    assert log.read()
    os.write(write, b"ished \xff")
    os.close(write)
    assert not log.read()
    os.close(read)

    assert len(log.lines) == MAX_LINES
    assert list(log.lines)[-3:] == ["step 1", "step 2", "unfinished \ufffd"]
    assert log.last_line == "unfinished \ufffd"


class Printed:
    """A pipe, and what reads it."""

    def __init__(self, text: bytes) -> None:
        self.read_end, write = os.pipe()
        os.set_blocking(self.read_end, False)
        os.write(write, text)
        os.close(write)
        self.log = LogTail("m", self.read_end)

    def lines(self) -> list[str]:
        """Read to the end."""
        while self.log.read():
            pass
        os.close(self.read_end)
        return list(self.log.lines)


def test_a_long_line_keeps_its_end() -> None:
    line = b"start" + b"x" * (MAX_LINE_BYTES - 3) + b"end"

    assert Printed(line + b"\n").lines() == ["x" * (MAX_LINE_BYTES - 3) + "end"]
    assert Printed(line).lines() == ["x" * (MAX_LINE_BYTES - 3) + "end"]
    assert Printed(b"y" * MAX_LINE_BYTES).lines() == ["y" * MAX_LINE_BYTES]


def test_empty_lines_are_left_out() -> None:
    printed = Printed(b"\n  \none\n\n")

    assert (printed.lines(), printed.log.last_line) == (["one"], "one")


def test_a_worker_that_printed_nothing_has_no_last_line() -> None:
    printed = Printed(b"")

    assert (printed.lines(), printed.log.last_line) == ([], "")


def test_one_call_reads_a_limited_number_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def read(descriptor: int, size: int) -> bytes:
        sizes.append(size)
        return b"line\n"

    monkeypatch.setattr(os, "read", read)

    assert LogTail("m", -1).read()
    assert sizes == [CHUNK_BYTES] * MAX_CHUNKS


def test_a_descriptor_that_cannot_be_read_is_not_read_again(caplog: pytest.LogCaptureFixture) -> None:
    assert not LogTail("m", -1).read()
    assert "what it prints cannot be read" in caplog.text
