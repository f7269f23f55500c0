"""The decoder process: `python -P -m model_runtime.decoding image|audio PARAM [START END]` decodes one file and exits.

START and END, in seconds, are the part of a recording that is wanted. It reads the file from one descriptor, writes the
decoded bytes to another, and sends its outcome, the media without bytes or an error, to the daemon on `LINK_FD`. Its
exit gives the memory back. It exits at once if the daemon does.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO

from model_runtime.errors import Busy, InsufficientStorage, SensesError
from model_runtime.ipc.codec import encode
from model_runtime.ipc.framing import pack
from model_runtime.ipc.messages import DECODED_FD, LINK_FD, SOURCE_FD
from model_runtime.media.types import Audio, ImageData, TimeRange

NICENESS = 5
"""As for workers: the daemon has priority."""

Decode = Callable[[BinaryIO, BinaryIO, str, TimeRange], ImageData | Audio]


def main() -> None:
    """Decode the file and send the outcome."""
    kind, param, *bounds = sys.argv[1:]
    os.nice(NICENESS)
    link = socket.socket(fileno=LINK_FD)
    threading.Thread(target=_exit_with_daemon, args=(link,), name="daemon watch", daemon=True).start()
    outcome = _run(DECODERS[kind], param, TimeRange(*map(float, bounds)))
    link.sendall(b"".join(pack(*encode(outcome))))


def _run(decode: Decode, param: str, part: TimeRange) -> ImageData | Audio | SensesError:
    os.lseek(SOURCE_FD, 0, os.SEEK_SET)  # the daemon may have read from it
    try:
        with open(SOURCE_FD, "rb") as source, open(DECODED_FD, "wb") as out:  # noqa: PTH123 - descriptors
            return decode(source, out, param, part)
    except SensesError as error:
        return error
    except MemoryError:
        return Busy("The file cannot be decoded: the memory is full. Try again in 5 s.", 5.0)
    except OSError as error:
        return InsufficientStorage(f"The file cannot be decoded: {error.strerror}. Free disk space and try again.")


def _decode_image(source: BinaryIO, out: BinaryIO, param: str, part: TimeRange) -> ImageData:
    from model_runtime.media.images import MODEL_PIXELS, write_image

    return write_image(source, out, param=param, max_pixels=MODEL_PIXELS)


def _decode_audio(source: BinaryIO, out: BinaryIO, param: str, part: TimeRange) -> Audio:
    from model_runtime.media.audio import write_audio

    return write_audio(source, out, param=param, part=part)


DECODERS: Mapping[str, Decode] = {"image": _decode_image, "audio": _decode_audio}


def _exit_with_daemon(link: socket.socket) -> None:
    link.recv(1)
    os._exit(0)


if __name__ == "__main__":
    main()
