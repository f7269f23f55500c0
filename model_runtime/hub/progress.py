"""How far a download is: the library draws progress bars, and these count bytes instead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Bytes on this disk of all bytes the model needs, and the file that is coming in."""

    repo: str
    file: str
    done_bytes: int
    total_bytes: int


ProgressCallback = Callable[[DownloadProgress], None]
"""Called after each piece; what it raises ends the download."""


class NullProgressBar:
    """The part of tqdm that huggingface_hub uses, drawing nothing.

    That there is `update_transfer` makes it use one bar for a file instead of two.
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
        """Bytes were written."""

    def update_transfer(self, count: float | None = 1) -> None:
        """Bytes came over the network, perhaps fewer than are written."""

    def close(self) -> None:
        """Nothing is drawn."""

    def refresh(self, *args: object, **options: object) -> None:
        """Nothing is drawn."""

    set_description = set_description_str = set_postfix_str = set_transfer_postfix_str = refresh


class ProgressAggregator:
    """Counts bytes over all files of a pull and reports each change."""

    def __init__(self, done_bytes: int, total_bytes: int, on_progress: ProgressCallback) -> None:
        self._done_bytes = done_bytes
        self._total_bytes = total_bytes
        self._on_progress = on_progress

    def add(self, repo: str, file: str, byte_count: int) -> None:
        """Note bytes that were written; a restarted file takes some back."""
        self._done_bytes += byte_count
        self._on_progress(DownloadProgress(repo, file, self._done_bytes, self._total_bytes))

    def bar_class(self, repo: str, file: str) -> type[NullProgressBar]:
        """Return what the library takes for the class of its progress bars."""
        aggregator = self

        class Bar(NullProgressBar):
            def update(self, count: float | None = 1) -> None:
                aggregator.add(repo, file, int(count or 0))

        return Bar
