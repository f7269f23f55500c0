"""The decoder process: `python -P -m model_runtime.decoding WORK ARGUMENTS` works on one file or two and exits.

The first argument of `image`, `mask`, `audio` and `measurement` names a parameter for errors. Then come, if only a part is wanted,
left, top, width and height of an image, or start and end of a recording in seconds; and for `measurement` the boxes of
lines of text as JSON. The arguments of `comparison` name both parameters. The process reads files from descriptors,
writes decoded bytes or a heat map to another, and sends its outcome, without bytes, or an error to the daemon on `LINK_FD`. Its
exit gives the memory back. It exits at once if the daemon does.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO

from model_runtime.errors import Busy, InsufficientStorage, SensesError
from model_runtime.ipc.codec import encode
from model_runtime.ipc.framing import pack
from model_runtime.ipc.messages import DECODED_FD, LINK_FD, OTHER_SOURCE_FD, SOURCE_FD
from model_runtime.measuring.results import Comparison, Measurement
from model_runtime.media.types import Audio, ImageData, PixelBox, TimeRange

NICENESS = 5
"""As for workers: the daemon has priority."""

Decoded = ImageData | Audio | Measurement | Comparison
Decode = Callable[..., Decoded]
"""decode(source, out, *arguments), with open files and arguments of the command line."""


def main() -> None:
    """Decode the file and send the outcome."""
    work, *arguments = sys.argv[1:]
    os.nice(NICENESS)
    link = socket.socket(fileno=LINK_FD)
    threading.Thread(target=_exit_with_daemon, args=(link,), name="daemon watch", daemon=True).start()
    outcome = _run(DECODERS[work], arguments)
    link.sendall(b"".join(pack(*encode(outcome))))


def _run(decode: Decode, arguments: list[str]) -> Decoded | SensesError:
    os.lseek(SOURCE_FD, 0, os.SEEK_SET)  # the daemon may have read from it
    try:
        with open(SOURCE_FD, "rb") as source, open(DECODED_FD, "wb") as out:  # noqa: PTH123 - descriptors
            return decode(source, out, *arguments)
    except SensesError as error:
        return error
    except MemoryError:
        return Busy("The file cannot be decoded: the memory is full. Try again in 5 s.", 5.0)
    except OSError as error:
        return InsufficientStorage(f"The file cannot be decoded: {error.strerror}. Free disk space and try again.")


def _decode_image(source: BinaryIO, out: BinaryIO, param: str, *numbers: str) -> ImageData:
    from model_runtime.media.images import MODEL_PIXELS, write_image

    region = _region(*map(int, numbers)) if numbers else None
    return write_image(source, out, param=param, max_pixels=MODEL_PIXELS, region=region)


def _decode_mask(source: BinaryIO, out: BinaryIO, param: str) -> ImageData:
    from model_runtime.media.images import MODEL_PIXELS, write_mask

    return write_mask(source, out, param=param, max_pixels=MODEL_PIXELS)


def _region(left: int, top: int, width: int, height: int) -> PixelBox:
    return left, top, width, height


def _decode_audio(source: BinaryIO, out: BinaryIO, param: str, *bounds: str) -> Audio:
    from model_runtime.media.audio import write_audio

    return write_audio(source, out, param=param, part=TimeRange(*map(float, bounds)))


def _measure(source: BinaryIO, out: BinaryIO, param: str, text_boxes: str) -> Measurement:
    from model_runtime.measuring.files import measure_file

    return measure_file(source, param=param, text_boxes=[_region(*box) for box in json.loads(text_boxes)])


def _compare(source: BinaryIO, out: BinaryIO, param: str, other_param: str) -> Comparison:
    from model_runtime.measuring.files import compare_files

    os.lseek(OTHER_SOURCE_FD, 0, os.SEEK_SET)
    with open(OTHER_SOURCE_FD, "rb") as other:  # noqa: PTH123 - a descriptor
        return compare_files(source, other, out, params=(param, other_param))


DECODERS: Mapping[str, Decode] = {
    "image": _decode_image,
    "mask": _decode_mask,
    "audio": _decode_audio,
    "measurement": _measure,
    "comparison": _compare,
}


def _exit_with_daemon(link: socket.socket) -> None:
    link.recv(1)
    os._exit(0)


if __name__ == "__main__":
    main()
