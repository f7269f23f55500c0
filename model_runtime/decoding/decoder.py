"""Decode the pictures and recordings of all callers under one limit of memory.

Small files are decoded in a thread of the daemon, large ones in a process. Libraries are imported by the first file, to
keep an idle daemon small.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import anyio
import anyio.to_thread

from model_runtime.decoding.admission import MemoryAdmission
from model_runtime.decoding.process import MediaKind, decode_in_process
from model_runtime.decoding.storage import MediaStorage
from model_runtime.errors import InsufficientStorage, InvalidMedia
from model_runtime.media.audio import SAMPLE_RATE
from model_runtime.media.types import WHOLE_RECORDING, Audio, ImageData, PixelBox, TimeRange

THREAD_BYTES = 160_000_000
"""Memory that a thread may take: a photo of 13 megapixels. A process starts and imports in 0.1 s."""
MASK_COPIES = 2
"""How much more memory a mask takes than the picture of its size: it is decoded with all four channels."""
THREAD_SECONDS = 60.0
"""Sound that a thread decodes. A longer recording is decoded by a process."""
SHORT_AUDIO_BYTES, LONG_AUDIO_BYTES = 8_000_000, 64_000_000
"""Memory to decode sound in the thread, and in a process, which writes it to the disk in pieces."""

Source = bytes | BinaryIO
"""The content of a file, or an open seekable one."""
MediaT = TypeVar("MediaT", ImageData, Audio)


@dataclass(frozen=True, slots=True)
class _Decoded(Generic[MediaT]):
    """Media, and the path of their bytes if these are in a file."""

    media: MediaT
    path: str


class MediaDecoder:
    """Decodes while the memory of all decodes fits into `limit_bytes`, in the order of arrival."""

    def __init__(self, limit_bytes: int, folder: Path) -> None:
        """`folder` holds the files of what does not stay in memory."""
        self.admission = MemoryAdmission(limit_bytes)
        self._limit_bytes = limit_bytes
        self.storage = MediaStorage(folder)

    async def decode_image(self, source: Source, *, param: str, region: PixelBox | None = None) -> ImageData:
        """Decode the first frame of an image file, upright and with at most as many pixels as a model looks at.

        `region` is the left, top, width and height of the part to decode, None means all. `param` names the parameter in
        errors. Cancelling the call ends its wait, and the process that decodes.

        Raises:
            InvalidMedia: the file is too large, damaged, or not an image.
            Busy: the machine has no memory or process left for it.
            DecodingFailed: its process died or takes too long.
            InsufficientStorage: the decoded bytes do not fit on the disk.
        """
        from model_runtime.media.images import MODEL_PIXELS, decode_image

        def decode() -> _Decoded[ImageData]:
            return self._write(decode_image(source, param=param, max_pixels=MODEL_PIXELS, region=region))

        needed_bytes = await self.image_bytes(source, param=param, max_pixels=MODEL_PIXELS, region=region)
        async with self.admission.admit(needed_bytes):
            if needed_bytes <= THREAD_BYTES:
                return self._own(await anyio.to_thread.run_sync(decode))
            return await self._decode_in_process("image", ImageData, source, param, *map(str, region or ()))

    async def decode_mask(self, source: Source, *, param: str) -> ImageData:
        """Decode the alpha channel of an image file: white where it is transparent, of the size `decode_image` gives.

        Raises:
            InvalidMedia: the file is too large, damaged, not an image, or has no transparent pixel.
            Busy: the machine has no memory or process left for it.
            DecodingFailed: its process died or takes too long.
            InsufficientStorage: the decoded bytes do not fit on the disk.
        """
        from model_runtime.media.images import MODEL_PIXELS, decode_mask

        def decode() -> _Decoded[ImageData]:
            return self._write(decode_mask(source, param=param, max_pixels=MODEL_PIXELS))

        needed_bytes = MASK_COPIES * await self.image_bytes(source, param=param, max_pixels=MODEL_PIXELS)
        async with self.admission.admit(needed_bytes):
            if needed_bytes <= THREAD_BYTES:
                return self._own(await anyio.to_thread.run_sync(decode))
            return await self._decode_in_process("mask", ImageData, source, param)

    async def image_size(self, source: Source, *, param: str) -> tuple[int, int]:
        """Return the width and height of an image file's picture, upright.

        Raises:
            InvalidMedia: the header of the file shows that it cannot be decoded.
        """
        from model_runtime.media.images import upright_size

        return await anyio.to_thread.run_sync(partial(upright_size, source, param=param))

    async def image_bytes(self, source: Source, *, param: str, max_pixels: int, region: PixelBox | None = None) -> int:
        """Return the memory that decoding an image, or a region of it, to at most `max_pixels` takes.

        Raises:
            InvalidMedia: it is too much, or the header of the file shows that it cannot be decoded.
        """
        from model_runtime.media.images import MAX_DECODING_BYTES, decoding_bytes

        measure = partial(decoding_bytes, source, param=param, max_pixels=max_pixels, region=region)
        needed_bytes = await anyio.to_thread.run_sync(measure)
        limit_bytes = max(MAX_DECODING_BYTES, self._limit_bytes)
        if needed_bytes > limit_bytes:
            raise InvalidMedia(
                f"Decoding the image takes {needed_bytes / 1e6:.0f} MB of memory, more than {limit_bytes / 1e6:.0f} MB. "
                "Send a smaller one, save it as PNG or as a JPEG that is not progressive, or raise memory.decode_mb.",
                param=param,
                code="image_parse_error",
            )
        return needed_bytes

    async def decode_audio(self, source: Source, *, param: str, part: TimeRange = WHOLE_RECORDING) -> Audio:
        """Decode `part` of the first audio track of a file to 16 kHz mono.

        `param` names the parameter in errors. Cancelling the call ends its wait, and the process that decodes.

        Raises:
            InvalidMedia: the file is too long, damaged, or not a recording.
            Busy: the machine has no memory or process left for it.
            DecodingFailed: its process died or takes too long.
            InsufficientStorage: the decoded bytes do not fit on the disk.
        """
        from model_runtime.media.audio import decode_audio

        max_seconds = THREAD_SECONDS - part.start_seconds  # what comes before the part is decoded, too

        def decode() -> _Decoded[Audio] | None:
            try:
                return self._write(decode_audio(source, param=param, max_seconds=max_seconds, part=part))
            except InvalidMedia as error:
                if error.code != "too_long":
                    raise
                return None

        if max_seconds > 0:
            async with self.admission.admit(SHORT_AUDIO_BYTES):
                short = await anyio.to_thread.run_sync(decode)
            if short is not None:
                return self._own(short)
        async with self.admission.admit(LONG_AUDIO_BYTES):
            bounds = [] if part == WHOLE_RECORDING else [str(part.start_seconds), str(part.end_seconds)]
            return await self._decode_in_process("audio", Audio, source, param, *bounds)

    async def store_audio(self, pcm: bytes) -> Audio:
        """Return a recording of 16 kHz mono s16le samples; many go to a file."""
        return self._own(await anyio.to_thread.run_sync(self._write, Audio(SAMPLE_RATE, pcm)))

    def _write(self, media: MediaT) -> "_Decoded[MediaT]":
        """Move many bytes to a file. An idle thread keeps what it has returned last, so it returns none of them."""
        path = self.storage.write(media.content) if isinstance(media.content, bytes) else ""
        return _Decoded(replace(media, content=b"") if path else media, path)

    def _own(self, decoded: "_Decoded[MediaT]") -> MediaT:
        return replace(decoded.media, content=self.storage.own(decoded.path)) if decoded.path else decoded.media

    async def _decode_in_process(
        self, kind: MediaKind, kind_of: type[MediaT], source: Source, param: str, *options: str
    ) -> MediaT:
        try:
            with self.storage.open_file() as output:
                async with open_descriptor(source, self.storage) as descriptor:
                    decoded = await decode_in_process(kind, param, descriptor, output.fileno(), *options)
            content = self.storage.own(output.name)
        except OSError as error:
            raise InsufficientStorage(f"The {kind} cannot be decoded to the disk: {error}. Free disk space.") from error
        if not isinstance(decoded, kind_of):
            raise TypeError(decoded)
        return replace(decoded, content=content)


@asynccontextmanager
async def open_descriptor(source: Source, storage: MediaStorage) -> AsyncGenerator[int]:
    """Yield the descriptor of a file with this content. The process that gets it reads from its start."""
    if not isinstance(source, bytes):
        try:
            descriptor = source.fileno()
        except OSError:  # a file in memory
            source.seek(0)
            source = source.read()
        else:
            yield descriptor
            return
    with storage.temporary_file() as file:
        await anyio.to_thread.run_sync(file.write, source)
        file.flush()
        yield file.fileno()
