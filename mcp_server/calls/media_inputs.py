"""Read the pictures and recordings that a call names."""

import io
from collections.abc import Awaitable
from typing import BinaryIO

from mcp_server.calls.regions import require_within
from mcp_server.files.access import MAX_AUDIO_BYTES, MAX_IMAGE_BYTES, ClientFiles
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.media.types import WHOLE_RECORDING, Audio, ImageData, PixelBox, TimeRange


async def read_image(decoder: MediaDecoder, files: ClientFiles, address: str, param: str) -> ImageData:
    """Read and decode an image.

    Raises:
        InvalidInput: the file cannot be read or decoded.
        SensesError: the image cannot be decoded on this machine now.
    """
    with await open_image(files, address, param) as file:
        return await decoder.decode_image(file, param=param)


async def decode_region(
    decoder: MediaDecoder, file: BinaryIO, param: str, region: PixelBox | None
) -> tuple[ImageData, tuple[int, int]]:
    """Decode an image, or a region of it at its own resolution; return it and the size of the whole image.

    Raises:
        InvalidInput: the file cannot be decoded, or the region is not within the image.
        SensesError: the image cannot be decoded on this machine now.
    """
    if region is None:
        image = await decoder.decode_image(file, param=param)
        return image, image.file_size
    size = await decoder.image_size(file, param=param)
    require_within(region, size)
    return await decoder.decode_image(file, param=param, region=region), size


def open_image(files: ClientFiles, address: str, param: str) -> Awaitable[BinaryIO]:
    """Open an image for reading at its start; the caller closes it.

    Raises:
        InvalidInput: the file cannot be read.
    """
    return _open_input(files, address, param, MAX_IMAGE_BYTES)


async def read_audio(
    decoder: MediaDecoder, files: ClientFiles, address: str, param: str, part: TimeRange = WHOLE_RECORDING
) -> Audio:
    """Read and decode `part` of a recording.

    Raises:
        InvalidInput: the file cannot be read or decoded.
        SensesError: the recording cannot be decoded on this machine now.
    """
    with await _open_input(files, address, param, MAX_AUDIO_BYTES) as file:
        return await decoder.decode_audio(file, param=param, part=part)


async def _open_input(files: ClientFiles, address: str, param: str, limit_bytes: int) -> BinaryIO:
    fetched = await files.fetch(address, param=param)
    if fetched is not None:
        return io.BytesIO(fetched)
    return await files.open(address, param=param, limit_bytes=limit_bytes)
