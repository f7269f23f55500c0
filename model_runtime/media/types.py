"""Decoded media as plain bytes, which cross the process boundary without a media library."""

import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_runtime.errors import OperationFailed

ImageFormat = Literal["png", "jpeg", "webp"]
"""File formats of generated images."""


PixelBox = tuple[int, int, int, int]
"""Left, top, width and height in pixels of an upright picture, y down."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class MediaFile:
    """Decoded bytes in a file, which takes no memory of the daemon; the worker maps the file.

    `model_runtime.decoding.storage:MediaStorage` creates the file and deletes it with the last reference to this object.
    """

    path: str
    size_bytes: int

    def map(self) -> memoryview:
        """Return the bytes, which are read from the disk where they are used.

        Raises:
            OperationFailed: the file is gone, because the request has ended or its folder was emptied.
        """
        try:
            with Path(self.path).open("rb") as file:
                return memoryview(mmap.mmap(file.fileno(), self.size_bytes, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise OperationFailed(f"The decoded file {self.path} cannot be read: {error}. Send it again.") from error


MediaBytes = bytes | MediaFile
"""Decoded bytes in memory, or in a file if they are many."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """An upright RGB image without alpha. `content` is uint8 of shape (height, width, 3).

    `file_width` and `file_height` are the pixels of the upright picture it was shrunk from; 0 if it was not.
    """

    width: int
    height: int
    content: MediaBytes
    file_width: int = 0
    file_height: int = 0

    @property
    def rgb(self) -> bytes | memoryview:
        """The pixels."""
        return self.content if isinstance(self.content, bytes) else self.content.map()

    @property
    def file_size(self) -> tuple[int, int]:
        """Width and height in pixels of the file it was decoded from."""
        return self.file_width or self.width, self.file_height or self.height


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A part of a recording, in seconds from its start."""

    start_seconds: float = 0.0
    end_seconds: float = math.inf


WHOLE_RECORDING = TimeRange()


@dataclass(frozen=True, slots=True)
class Audio:
    """A mono recording. `content` is signed 16-bit little-endian samples, `sample_rate` is in Hz."""

    sample_rate: int
    content: MediaBytes

    @property
    def pcm(self) -> bytes | memoryview:
        """The samples."""
        return self.content if isinstance(self.content, bytes) else self.content.map()

    @property
    def duration_seconds(self) -> float:
        """Duration of the recording."""
        content = self.content
        return (len(content) if isinstance(content, bytes) else content.size_bytes) / 2 / self.sample_rate
