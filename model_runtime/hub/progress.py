"""Progress of a download: replaces the progress bars of huggingface_hub by a count of bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Bytes on this disk, bytes of the whole model, and the file that is being downloaded."""

    file: str
    done_bytes: int
    total_bytes: int


ProgressCallback = Callable[[DownloadProgress], None]
"""Called after each chunk. An exception ends the download."""


class NullProgressBar:
    """The interface of tqdm that huggingface_hub uses, without output.

    Because of `update_transfer`, huggingface_hub uses one bar per file instead of two.
    """

    def __init__(self, iterable: Any = None, **options: Any) -> None:
        self._iterable = iterable
        self.n = 0
        self.total = options.get("total")
        self.format_dict: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def update(self, count: float | None = 1) -> None:
        """Ignore bytes that were written."""

    def update_transfer(self, count: float | None = 1) -> None:
        """Ignore bytes that were transferred; compressed data has fewer than are written."""

    def close(self) -> None:
        """Do nothing."""

    def refresh(self, *args: object, **options: object) -> None:
        """Do nothing."""

    set_description = set_description_str = set_postfix_str = set_transfer_postfix_str = refresh


class ProgressAggregator:
    """Counts the bytes of all files of a pull and reports each change."""

    def __init__(self, done_bytes: int, total_bytes: int, on_progress: ProgressCallback) -> None:
        self._done_bytes = done_bytes
        self._total_bytes = total_bytes
        self._on_progress = on_progress

    def add(self, file: str, byte_count: int) -> None:
        """Add written bytes. `byte_count` is negative when a file restarts."""
        self._done_bytes += byte_count
        self._on_progress(DownloadProgress(file, self._done_bytes, self._total_bytes))

    def bar_class(self, file: str) -> type[NullProgressBar]:
        """Return a progress bar class for huggingface_hub that counts the bytes of one file."""
        aggregator = self

        class Bar(NullProgressBar):
            def update(self, count: float | None = 1) -> None:
                aggregator.add(file, int(count or 0))

        return Bar
