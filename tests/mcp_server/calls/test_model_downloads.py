"""What is being downloaded, for whoever asked for it."""

from collections.abc import Callable

import anyio
import pytest

from mcp_server.calls.downloads import DownloadFailed, PullProgress
from mcp_server.calls.model_downloads import MAX_LISTED, ModelDownloads


class ScriptedDownloader:
    """Reports half of each model, then waits until it may go on; fails those named bad."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.may_end = anyio.Event()

    async def __call__(self, model: str, report: Callable[[PullProgress], None]) -> None:
        """See `Downloader`."""
        report(PullProgress(1, 2))
        self.begun.set()
        await self.may_end.wait()
        if model == "bad":
            raise DownloadFailed("Hugging Face cannot be reached.")
        report(PullProgress(2, 2))


@pytest.mark.promise("models:download")
async def test_a_download_tells_how_far_it_is_and_that_it_is_done() -> None:
    downloader, reported = ScriptedDownloader(), list[PullProgress]()
    downloads = ModelDownloads(downloader, lambda: 7.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(downloads, "vlm-best", reported.append)
        await downloader.begun.wait()
        (half,) = downloads.listed()
        running = downloads.running_count
        downloader.may_end.set()
    (whole,) = downloads.listed()

    assert half == {
        "model": "vlm-best",
        "state": "running",
        "started_at": 7.0,
        "done_bytes": 1,
        "total_bytes": 2,
        "error": "",
    }
    assert (whole["state"], whole["done_bytes"], running, downloads.running_count) == ("done", 2, 1, 0)
    assert reported == [PullProgress(1, 2), PullProgress(2, 2)]


@pytest.mark.promise("models:download")
async def test_a_download_is_cancelled_and_whoever_waits_for_it_is_told() -> None:
    downloader = ScriptedDownloader()
    downloads = ModelDownloads(downloader)
    told: list[str] = []

    async def wait() -> None:
        try:
            await downloads("vlm-best")
        except DownloadFailed as error:
            told.append(error.message)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await downloader.begun.wait()
            was_running = downloads.cancel("vlm-best")

    assert (was_running, downloads.cancel("vlm-best")) == (True, False)
    assert downloads.listed()[0]["state"] == "cancelled"
    assert told == ["The download of vlm-best was ended on the status page. Complete files are kept."]


async def test_a_download_that_fails_says_why() -> None:
    downloader = ScriptedDownloader()
    downloader.may_end.set()
    downloads = ModelDownloads(downloader)

    with pytest.raises(DownloadFailed):
        await downloads("bad")

    assert (downloads.listed()[0]["state"], downloads.listed()[0]["error"]) == (
        "failed",
        "Hugging Face cannot be reached.",
    )


async def test_only_the_last_downloads_are_listed() -> None:
    downloader = ScriptedDownloader()
    downloader.may_end.set()
    downloads = ModelDownloads(downloader)

    for number in range(2 * MAX_LISTED):
        await downloads(f"m{number}")

    assert [one["model"] for one in downloads.listed()] == [
        f"m{number}" for number in reversed(range(MAX_LISTED, 2 * MAX_LISTED))
    ]
