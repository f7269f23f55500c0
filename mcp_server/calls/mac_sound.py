"""Play standard input on a Mac: `python -P -m mcp_server.calls.mac_sound RATE`.

The input is mono signed 16-bit little-endian samples. sounddevice brings PortAudio for macOS in its wheel; between two
pieces that come late there is silence. Its end is the end of the input. It has never run on a Mac.
"""

import sys
from typing import BinaryIO

BLOCK_BYTES = 2400
"""50 ms at 24 kHz: so much waits for more, if a piece ends in the middle of it."""


def play(source: BinaryIO, sample_rate: int) -> None:
    """Play samples until `source` ends, and return when the last is heard.

    Raises:
        sounddevice.PortAudioError: the Mac has no output device, or it cannot be opened.
    """
    import sounddevice

    with sounddevice.RawOutputStream(samplerate=sample_rate, channels=1, dtype="int16") as stream:
        while block := source.read(BLOCK_BYTES):
            stream.write(block)


if __name__ == "__main__":
    play(sys.stdin.buffer, int(sys.argv[1]))
