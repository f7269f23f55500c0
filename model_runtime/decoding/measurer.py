"""Measure and compare pictures in a process, within the decoder's limit of memory."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import IO

import anyio
import anyio.to_thread

from model_runtime.decoding.decoder import MediaDecoder, Source, open_descriptor
from model_runtime.decoding.process import Work, run_decoder
from model_runtime.errors import InsufficientStorage
from model_runtime.ipc.messages import DECODED_FD, OTHER_SOURCE_FD, SOURCE_FD
from model_runtime.measuring.results import (
    MEASURED_PIXELS,
    MEASURING_BYTES_PER_PIXEL,
    Comparison,
    Measurement,
)
from model_runtime.media.types import PixelBox

TIMEOUT_SECONDS = 60.0
"""The largest picture is measured in a few seconds."""


@dataclass(frozen=True, slots=True)
class ImageMeasurer:
    """Measures while the memory of this and all decodes fits into the limit of `decoder`."""

    decoder: MediaDecoder

    async def measure(self, source: Source, *, param: str, text_boxes: Sequence[PixelBox] = ()) -> Measurement:
        """Measure the first frame of an image file; see `model_runtime.measuring.files:measure_file`.

        Cancelling the call ends its wait and its process.

        Raises:
            InvalidMedia: the file is too large, damaged, or not an image.
            Busy: the machine has no memory or process left for it.
            DecodingFailed: its process died or takes too long.
            InsufficientStorage: a file of the call does not fit on the disk.
        """
        outcome, _ = await self._run(
            "measurement",
            {SOURCE_FD: (source, param)},
            [param, json.dumps(text_boxes)],
            failure="The image cannot be measured",
        )
        if not isinstance(outcome, Measurement):
            raise TypeError(outcome)
        return outcome

    async def compare(self, first: Source, second: Source, *, params: tuple[str, str]) -> tuple[Comparison, bytes]:
        """Compare two image files; return the comparison and a PNG of where they differ.

        Raises:
            SensesError: as for `measure`.
        """
        outcome, png = await self._run(
            "comparison",
            {SOURCE_FD: (first, params[0]), OTHER_SOURCE_FD: (second, params[1])},
            params,
            failure="The images cannot be compared",
        )
        if not isinstance(outcome, Comparison):
            raise TypeError(outcome)
        return outcome, png

    async def _run(
        self, work: Work, sources: Mapping[int, tuple[Source, str]], arguments: Sequence[str], *, failure: str
    ) -> tuple[object, bytes]:
        """Let a process work on open files; return its outcome and what it wrote."""
        needed = [await self._needed_bytes(source, param) for source, param in sources.values()]
        async with self.decoder.admission.admit(sum(needed)), AsyncExitStack() as stack:
            try:
                output = stack.enter_context(self.decoder.storage.temporary_file())
                descriptors = {DECODED_FD: output.fileno()}
                for number, (source, _) in sources.items():
                    descriptors[number] = await stack.enter_async_context(open_descriptor(source, self.decoder.storage))
            except OSError as error:
                raise InsufficientStorage(f"{failure}: {error.strerror}. Free disk space and try again.") from error
            outcome = await run_decoder(work, arguments, descriptors, failure=failure, timeout_seconds=TIMEOUT_SECONDS)
            return outcome, await anyio.to_thread.run_sync(_read_from_start, output)

    async def _needed_bytes(self, source: Source, param: str) -> int:
        decoding_bytes = await self.decoder.image_bytes(source, param=param, max_pixels=MEASURED_PIXELS)
        width, height = await self.decoder.image_size(source, param=param)
        return decoding_bytes + MEASURING_BYTES_PER_PIXEL * min(width * height, MEASURED_PIXELS)


def _read_from_start(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
