"""What the metadata of an image file say it was drawn from."""

from typing import BinaryIO

import anyio

from model_runtime.media.provenance import Provenance, parse_provenance


async def read_provenance_of(file: BinaryIO) -> Provenance | None:
    """Return what an opened image was drawn from, or None if it does not say. The file is left at its start."""
    from model_runtime.media.images import read_provenance  # imports Pillow, which an idle daemon does not need

    return parse_provenance(await anyio.to_thread.run_sync(read_provenance, file))
