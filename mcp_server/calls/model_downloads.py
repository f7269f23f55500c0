"""The downloads of all callers, of agents and of the status page: how far each is, and how one is ended."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import anyio

from mcp_server.calls.downloads import Downloader, DownloadFailed, PullProgress, download_in_subprocess

MAX_LISTED = 20
"""The last ones that are listed; the oldest that has ended goes for another."""


@dataclass(frozen=True, slots=True)
class ModelDownload:
    """One download; `total_bytes` is 0 until it is known, `started_at` is in seconds since the epoch."""

    model: str
    state: Literal["running", "done", "failed", "cancelled"]
    started_at: float
    done_bytes: int = 0
    total_bytes: int = 0
    error: str = ""


@dataclass(slots=True)
class ModelDownloads:
    """A `Downloader` that knows what it does: the last download of each model."""

    download: Downloader = download_in_subprocess
    wall_clock: Callable[[], float] = time.time
    _listed: dict[str, ModelDownload] = field(default_factory=dict)
    _scopes: dict[str, anyio.CancelScope] = field(default_factory=dict)
    """Model → what ends its download."""

    async def __call__(self, model: str, report: Callable[[PullProgress], None] = lambda downloaded: None) -> None:
        """Download a model; see `Downloader`. A second download of it at the same time is not listed.

        Raises:
            DownloadFailed: the download fails, or a person ends it.
        """
        if self.is_running(model):
            await self.download(model, report)
            return

        def note(downloaded: PullProgress) -> None:
            self._change(model, done_bytes=downloaded.done_bytes, total_bytes=downloaded.total_bytes)
            report(downloaded)

        self._begin(model)
        try:
            with anyio.CancelScope() as self._scopes[model]:
                await self.download(model, note)
                self._change(model, state="done")
                return
        except DownloadFailed as error:
            self._change(model, state="failed", error=error.message)
            raise
        finally:
            del self._scopes[model]
            if self._listed[model].state == "running":
                self._change(model, state="cancelled")
        raise DownloadFailed(f"The download of {model} was ended on the status page. Complete files are kept.")

    def is_running(self, model: str) -> bool:
        """Return whether this model is being downloaded."""
        return model in self._scopes

    @property
    def running_count(self) -> int:
        """How many models are being downloaded."""
        return len(self._scopes)

    def cancel(self, model: str) -> bool:
        """End a download; complete files stay. Return False if there is none."""
        if self.is_running(model):
            self._scopes[model].cancel()
            return True
        return False

    def listed(self) -> list[dict[str, Any]]:
        """Return the downloads as JSON, the newest first."""
        return [asdict(download) for download in reversed(self._listed.values())]

    def _begin(self, model: str) -> None:
        self._listed.pop(model, None)
        self._listed[model] = ModelDownload(model, "running", self.wall_clock())
        ended = [name for name, download in self._listed.items() if download.state != "running"]
        for name in ended[: max(len(self._listed) - MAX_LISTED, 0)]:
            del self._listed[name]

    def _change(self, model: str, **changes: Any) -> None:
        self._listed[model] = replace(self._listed[model], **changes)
