"""Keep decoded bytes: few in memory, many in files of a folder of the instance."""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from model_runtime.media.types import MediaFile

MAX_BYTES_IN_MEMORY = 1_000_000
"""Half a minute of sound, or a picture of 640 x 520 pixels; more goes to a file, which a worker maps."""
FILE_PREFIX = "decoded-"


class MediaStorage:
    """The files of decoded media. Each is deleted with the last reference to its `MediaFile`."""

    def __init__(self, folder: Path) -> None:
        """`folder` is created for the first file."""
        self._folder = folder

    def delete_leftovers(self) -> None:
        """Delete what a killed daemon left; no other daemon of the instance may run."""
        with suppress(OSError):
            for path in self._folder.glob(f"{FILE_PREFIX}*"):
                path.unlink()

    @contextmanager
    def open_file(self) -> Iterator[IO[bytes]]:
        """Yield a new file to write that only this user can read; delete it if the block fails. Then `own` it.

        Raises:
            OSError: the file cannot be created.
        """
        with tempfile.NamedTemporaryFile(prefix=FILE_PREFIX, dir=self._usable_folder(), delete=False) as file:
            try:
                yield file
            except BaseException:
                _delete(file.name)
                raise

    def temporary_file(self) -> IO[bytes]:
        """Return a new open file without a name.

        Raises:
            OSError: the file cannot be created.
        """
        return tempfile.TemporaryFile(dir=self._usable_folder())

    def own(self, path: str) -> MediaFile:
        """Return a complete file of `open_file`, deleted with the last reference."""
        media_file = MediaFile(path, Path(path).stat().st_size)
        weakref.finalize(media_file, _delete, path)
        return media_file

    def _usable_folder(self) -> Path | None:
        """Return the folder; None, the system's for temporary files, if it is on a disk that cannot be written."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return None
        return self._folder if os.access(self._folder, os.W_OK) else None

    def write(self, content: bytes) -> str:
        """Write `content` to a file and return its path, to `own`; "" if it is small or the disk does not take it."""
        if len(content) <= MAX_BYTES_IN_MEMORY:
            return ""
        try:
            with self.open_file() as file:
                file.write(content)
        except OSError:
            return ""
        return file.name


def _delete(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - runs at the exit of the interpreter, too
