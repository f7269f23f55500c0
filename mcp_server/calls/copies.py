"""Copies of results in a client's folder."""

from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactNotSaved
from model_runtime.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Copy:
    """A file in a client's folder; `fallback` holds the same result if it cannot be written."""

    files: ClientFiles
    destination: Path
    data: bytes
    fallback: Path | None = None

    async def write(self) -> None:
        """Write the file.

        Raises:
            ArtifactNotSaved: it cannot be written; the message says where the result is.
        """
        try:
            await self.files.write(self.destination, self.data)
        except OSError as error:
            kept = f" The result is kept as {self.fallback}." if self.fallback else ""
            reason = f"{self.destination} cannot be written: {self.files.explain(error)}{kept}"
            raise ArtifactNotSaved(reason) from error

    async def is_written(self) -> bool:
        """Return whether the file is there with this content."""
        try:
            file = await self.files.open(str(self.destination), param="", limit_bytes=len(self.data))
        except InvalidInput:
            return False
        with file:
            return await anyio.to_thread.run_sync(file.read) == self.data
