"""A Mac reads aloud by sounddevice, in a process that reads samples. PortAudio of a Mac never ran here."""

import io
import sys
from types import SimpleNamespace
from typing import Any, Self

import pytest

from mcp_server.calls import mac_sound
from mcp_server.calls.sound_output import MAC_COMMAND, ProgramOutput, system_output


class Stream:
    """Remembers what is written, and that it is played to its end."""

    opened: dict[str, Any]
    written: list[bytes]

    def __init__(self, **options: Any) -> None:
        type(self).opened, type(self).written = options, []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.written.append(b"end")

    def write(self, block: bytes) -> None:
        """Play it."""
        self.written.append(bytes(block))


@pytest.mark.promise("mcp:aloud")
def test_a_mac_plays_by_a_program_of_ours_that_reads_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", "")

    assert system_output() == ProgramOutput(MAC_COMMAND)
    assert MAC_COMMAND[1:] == ("-P", "-m", mac_sound.__name__, "{rate}")


def test_the_program_of_a_mac_plays_its_input_in_small_blocks_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(RawOutputStream=Stream))
    samples = bytes(range(250)) * 20

    mac_sound.play(io.BytesIO(samples), 24_000)

    assert Stream.opened == {"samplerate": 24_000, "channels": 1, "dtype": "int16"}
    assert b"".join(Stream.written) == samples + b"end"
    assert {len(block) % 2 for block in Stream.written[:-1]} == {0}
    assert max(map(len, Stream.written)) <= mac_sound.BLOCK_BYTES
